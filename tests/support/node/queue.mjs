// Producers, workers and other tools in Node.js, told what to do on standard input: one JSON
// command a line, one JSON answer a line.
//
//   node queue.mjs REDIS_URL PREFIX PACKAGE
//
// PACKAGE is the name under which a version of bullmq is installed (see package.json).
//
//   {do: "add", queue, jobs: [{name, data, opts}]}    adds them; answers {ids}
//   {do: "flow", parent, child}                       adds a parent with one child; answers {ids}
//   {do: "work", queue, fail, record, concurrency}    starts a worker: fails every job if `fail`,
//                                                     else appends its id and data to the file
//                                                     `record`; answers {}
//   {do: "rest", queue}                               closes the queue's worker; answers {}
//   {do: "retry" | "remove" | "state", queue, id}     what a person does by hand; answers {state}
//   {do: "pause" | "resume", queue}                   answers {}
//   {do: "counts", queue}                             answers the counts of the library
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';

const [url, prefix, library] = process.argv.slice(2);
const { FlowProducer, Job, Queue, Worker } = await import(library);
const connect = () => new Redis(url, { maxRetriesPerRequest: null });
const shared = connect();
const queues = new Map();
const workers = new Map();

function queueOf(name) {
  if (!queues.has(name)) {
    const queue = new Queue(name, { connection: shared, prefix });
    queue.on('error', () => {});
    queues.set(name, queue);
  }
  return queues.get(name);
}

const commands = {
  async add({ queue, jobs }) {
    const added = await queueOf(queue).addBulk(jobs);
    return { ids: added.map((job) => job.id) };
  },

  async flow({ parent, child }) {
    const flows = new FlowProducer({ connection: shared, prefix });
    const node = await flows.add({ ...parent, children: [child] });
    await flows.close();
    return { ids: [node.job.id, node.children[0].job.id] };
  },

  async work({ queue, fail, record, concurrency }) {
    const run = async (job) => {
      if (fail) throw new TypeError(`refused ${job.name}`);
      appendFileSync(record, `${JSON.stringify({ id: job.id, data: job.data })}\n`);
      return { done: true };
    };
    const connection = connect();
    const worker = new Worker(queue, run, { connection, prefix, concurrency: concurrency ?? 20 });
    worker.on('error', () => {});
    await worker.waitUntilReady();
    workers.set(queue, { worker, connection });
    return {};
  },

  async rest({ queue }) {
    const { worker, connection } = workers.get(queue);
    workers.delete(queue);
    await worker.close();
    await connection.quit();
    return {};
  },

  async retry({ queue, id }) {
    await (await Job.fromId(queueOf(queue), id)).retry();
    return commands.state({ queue, id });
  },

  async remove({ queue, id }) {
    await (await Job.fromId(queueOf(queue), id)).remove();
    return commands.state({ queue, id });
  },

  async state({ queue, id }) {
    return { state: await queueOf(queue).getJobState(id) };
  },

  async pause({ queue }) {
    await queueOf(queue).pause();
    return {};
  },

  async resume({ queue }) {
    await queueOf(queue).resume();
    return {};
  },

  async counts({ queue }) {
    return queueOf(queue).getJobCounts();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = await commands[command.do](command);
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
