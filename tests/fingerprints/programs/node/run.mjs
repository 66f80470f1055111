// node run.mjs SEED COUNT: every cause fails COUNT times; one line of JSON for each failure.
import http from "node:http";
import * as orders from "./orders.mjs";
import reports from "./reports.cjs";
import warehouse from "./warehouse.cjs";

const [seed, count] = process.argv.slice(2).map(Number);
let state = seed;
const random = (below) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const text = (letters, length) =>
  Array.from({ length }, () => letters[random(letters.length)]).join("");
const word = () => text("abcdefghijklmnopqrstuvwxyz0123456789", 8);
const hex = (length) => text("0123456789abcdef", length);
const number = () => 1 + random(10 ** (1 + random(7)));
const ident = () =>
  [String(number()), [8, 4, 4, 4, 12].map(hex).join("-"), `ord_${word()}`][random(3)];
const host = () => ["127", 1 + random(254), 1 + random(254), 1 + random(254)].join(".");
// Too long a name to be asked for, so that no name server is needed.
const nowhere = () => `${word().repeat(8)}.invalid`;
const nested = (depth) => (depth === 0 ? { first: number() } : { next: nested(depth - 1) });

const web = http.createServer((request, answer) => {
  const status = Number(request.url.split("/")[1]);
  if (status === 0) return request.socket.destroy();
  if (status === 1) return undefined;
  answer.writeHead(status).end("<p>no JSON</p>");
  return undefined;
});
await new Promise((ready) => web.listen(0, "127.0.0.1", ready));
const url = (status) =>
  `http://127.0.0.1:${web.address().port}/${status}/${word()}?page=${number()}`;

// Functions in a list have no names: a cause must not be told by what it is called here.
const causes = (depth) => [
  ["connection refused", () => warehouse.reserve(host(), 1)],
  ["unknown host", () => warehouse.locate(nowhere())],
  ["connection reset", () => warehouse.call(url(0))],
  ["fetch refused", () => warehouse.awaitAnswer(`http://${host()}:1/${word()}`, 60_000)],
  ["HTTP 404", () => warehouse.fetchJson(url(404))],
  ["HTTP 503", () => warehouse.fetchJson(url(503))],
  ["answer is no JSON", () => warehouse.fetchJson(url(200))],
  ["body is no JSON", () => warehouse.stockOf(`{${ident()}`)],
  ["no answer in time", () => warehouse.awaitAnswer(url(1), 1 + random(3))],
  ["request abandoned", () => warehouse.abandon(url(1), ident())],
  ["rate limit", () => warehouse.throttle(number(), 1e9, number())],
  ["price is missing", () => new orders.Basket([{ id: ident() }]).total()],
  ["order is null", () => new orders.Basket([]).ship()],
  ["order invalid", () => orders.validate({ id: ident(), email: ["", "x"][random(2)] })],
  ["books differ", () => orders.checkBooks(number(), -number())],
  ["too many seats", () => orders.reserveSeats(-number())],
  ["shared by nobody", () => orders.share(number(), 0)],
  ["endless recursion", () => orders.categoryPath({ a: "b", b: "a" }, "a")],
  ["recursion meets a gap", () => orders.discount(nested(depth), depth)],
  ["nobody to notify", () => orders.confirm(ident())],
  ["nobody at all to notify", () => orders.confirmAny([ident(), ident()])],
  ["payment without account", () => orders.pay(ident(), {}, ident())],
  ["template missing", () => reports.readTemplate(`/srv/${word()}/${ident()}.txt`)],
  ["template missing, read later", () => reports.readTemplateLater(`/srv/${word()}/${ident()}.txt`)],
  ["report is a folder", () => reports.readFolder(["/", "/tmp", "/usr"][random(3)])],
  ["folder is a file", () => reports.openBelowFile(`/etc/passwd/${word()}`)],
  ["text is no UTF-8", () => reports.decode(Buffer.from([65 + random(26), 0xff]))],
  ["address is malformed", () => reports.decodeAddress(`${word()}%E0%A4%A`)],
  ["converter failed", () => reports.convert(`${number()} ünïcödé ☂`, 1 + random(8))],
  ["pattern is malformed", () => reports.pattern(`(${word()}`)],
  ["value is missing", () => reports.render(`{${"abcdef"[random(6)]}}`, {})],
  ["fetch refused here (hard)", () => warehouse.fetchJson(`http://${host()}:1/${word()}`)],
  ["fetch from nowhere (hard)", () => warehouse.fetchJson(`http://${nowhere()}/${word()}`)],
  ["unknown person, no trace (hard)", () => warehouse.greet(["Ada", "Bo", "Kim"][random(3)])],
  ["currency is unknown", () => reports.formatter(`${number()}`)],
];

for (let turn = 0; turn < count; turn += 1) {
  for (const [cause, work] of causes(2 + random(12))) {
    try {
      await work();
    } catch (error) {
      console.log(JSON.stringify({ cause, message: error.message, stack: error.stack }));
      continue;
    }
    throw new Error(`did not fail: ${cause}`);
  }
}
process.exit(0);
