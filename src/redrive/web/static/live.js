// Keeps the page up to date: server-sent events where an operation is shown, polling everywhere,
// and the other way round when one of them does not work.
import { Away, load, SessionEnded } from "./loading.js";
import { afterLogin, hasEnded, sessionEnded } from "./session.js";
import { afterShowing, show } from "./showing.js";
import { isElsewhere, isVisiting, visit, visitsSoFar } from "./visits.js";

const SOON = 400;
// What is not looked at only keeps its title and icon true.
const UNSEEN = 10000;
const LONGEST_WAIT = 30000;

let timer = null;
let stream = null;
let streamed = null;
let failures = 0;
let busy = false;

export function startLive() {
  afterShowing(follow);
  afterLogin(() => refreshIn(0));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refreshIn(0);
  });
  window.addEventListener("online", () => refreshIn(0));
  window.addEventListener("pagehide", closeStream);
  window.addEventListener("pageshow", ({ persisted }) => persisted && refreshIn(0));
  follow();
}

function follow() {
  const main = document.getElementById("main");
  openStream(main.dataset.stream);
  announce(main.querySelector("[data-announce]"));
  if (main.dataset.refresh) refreshIn(interval());
  else clearTimeout(timer);
}

// A hidden page that shows a running operation in its title goes on as if it were seen.
function interval() {
  const running = document.getElementById("icon")?.href.includes("icon-running");
  const wanted = Number(document.getElementById("main").dataset.refresh ?? 5000);
  return document.hidden && !running ? Math.max(wanted, UNSEEN) : wanted;
}

function refreshIn(millis) {
  clearTimeout(timer);
  timer = setTimeout(refresh, millis);
}

async function refresh() {
  if (hasEnded()) return;
  if (busy || isVisiting()) {
    refreshIn(SOON);
    return;
  }
  if (isElsewhere()) {
    await visit(location.href, { push: false });
    refreshIn(interval());
    return;
  }
  // What was frozen is not looked at anew behind the operator's back.
  if (document.getElementById("main").hasAttribute("data-still")) return;
  busy = true;
  const visits = visitsSoFar();
  try {
    const { page, address } = await load(location.href, { poll: true });
    failures = 0;
    state("");
    const isStill = visits === visitsSoFar() && address === location.pathname + location.search;
    if (isStill) show(page, { poll: true });
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
  document.documentElement.classList.toggle("lost", text !== "");
}

function openStream(address) {
  if (address === streamed) return;
  closeStream();
  if (!address || !window.EventSource) return;
  streamed = address;
  stream = new EventSource(address);
  // One that was refused is not tried again by the browser; the next refresh does.
  stream.addEventListener("error", ({ target }) => {
    if (target === stream && target.readyState === EventSource.CLOSED) closeStream();
  });
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
