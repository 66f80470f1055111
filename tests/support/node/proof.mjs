// A real BullMQ worker in Node.js that writes every run to a file; see proof/worker.py, whose
// record it writes line for line.
//
//   node proof.mjs REDIS_URL RECORD LOCK_MS STALL_CHECK_MS CONCURRENCY QUEUE...
import { randomUUID } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';

const [url, record, lockDuration, stalledInterval, concurrency, ...queues] = process.argv.slice(2);
const file = openSync(record, 'a');

function write(event, run, values = {}) {
  const line = { event, run, at: Date.now() / 1000, pid: process.pid, ...values };
  writeSync(file, `${JSON.stringify(line)}\n`);
}

// The library keeps only its own fields of a job's record. Nobody stamps a job while it is active,
// so that it can be read afterwards.
const reader = new Redis(url, { maxRetriesPerRequest: null });

function runner(queue) {
  return async (job) => {
    job.run = randomUUID();
    const { id: job_id, attemptsStarted: attempt } = job;
    const stamp = await reader.hget(`bull:${queue}:${job_id}`, 'redrive');
    write('start', job.run, { queue, job_id, stamp, attempt });
    await sleep(job.data.work_millis);
    const generation = stamp ? Number(stamp.split(':').at(-1)) : 0;
    const fails = generation <= job.data.fails_through;
    write('end', job.run, { outcome: fails ? 'failed' : 'completed' });
    if (fails) throw new Error(`the provider refused ${job_id}`);
    return 'done';
  };
}

const workers = queues.map((queue) => {
  const worker = new Worker(queue, runner(queue), {
    connection: new Redis(url, { maxRetriesPerRequest: null }),
    concurrency: Number(concurrency),
    lockDuration: Number(lockDuration),
    stalledInterval: Number(stalledInterval),
    maxStalledCount: 1000,
  });
  worker.on('completed', (job) => write('reported', job.run));
  worker.on('failed', (job) => job && write('reported', job.run));
  worker.on('error', () => {});
  return worker;
});

process.on('SIGTERM', async () => {
  await Promise.all(workers.map((worker) => worker.close()));
  process.exit(0);
});
