// Keeps the page up to date: server-sent events where an operation is shown, polling everywhere,
// and the other way round when one of them does not work.
import { Away, load, SessionEnded, sessionEnded } from "./loading.js";
import { afterShowing, show } from "./showing.js";

const SOON = 400;
const LONGEST_WAIT = 30000;

let timer = null;
let stream = null;
let streamed = null;
let failures = 0;
let busy = false;
let visits = 0;

export function startLive() {
  afterShowing(({ poll }) => {
    if (!poll) visits += 1;
    follow();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refreshIn(0);
  });
  window.addEventListener("online", () => refreshIn(0));
  window.addEventListener("pagehide", closeStream);
  window.addEventListener("pageshow", follow);
  follow();
}

function follow() {
  const main = document.getElementById("main");
  openStream(main.dataset.stream);
  announce(main.querySelector("[data-announce]"));
  if (main.dataset.refresh) refreshIn(Number(main.dataset.refresh));
  else clearTimeout(timer);
}

function refreshIn(millis) {
  clearTimeout(timer);
  timer = setTimeout(refresh, millis);
}

async function refresh() {
  const main = document.getElementById("main");
  const running = document.getElementById("icon")?.href.includes("icon-running");
  const asking = document.querySelector("dialog[open]");
  if (busy || asking || (document.hidden && !running)) {
    refreshIn(Number(main.dataset.refresh ?? 5000));
    return;
  }
  busy = true;
  const visit = visits;
  try {
    const { page } = await load(location.href, { poll: true });
    failures = 0;
    state("");
    if (visit === visits) show(page, { poll: true });
    else follow();
  } catch (error) {
    failed(error);
  } finally {
    busy = false;
  }
}

function failed(error) {
  if (error instanceof SessionEnded) {
    closeStream();
    sessionEnded();
    return;
  }
  failures += 1;
  state(`${error instanceof Away ? "No connection." : error.message} Trying again…`);
  refreshIn(Math.min(1000 * 2 ** failures, LONGEST_WAIT));
}

function state(text) {
  const place = document.getElementById("link-state");
  if (place.textContent !== text) place.textContent = text;
  place.classList.toggle("lost", text !== "");
}

function openStream(address) {
  if (address === streamed) return;
  closeStream();
  if (!address || !window.EventSource) return;
  streamed = address;
  stream = new EventSource(address);
  let due = 0;
  stream.addEventListener("progress", () => {
    const now = performance.now();
    if (now < due) return;
    due = now + SOON;
    refreshIn(SOON);
  });
}

function closeStream() {
  stream?.close();
  stream = streamed = null;
}

let announced = "";

// A screen reader hears of every tenth, and of the end.
function announce(element) {
  if (!element) return;
  const tenth = Math.floor(parseInt(element.dataset.percent, 10) / 10);
  const key = `${location.pathname} ${element.dataset.state} ${tenth}`;
  if (key === announced) return;
  announced = key;
  document.getElementById("announcer").textContent = element.dataset.announce;
}
