// Relative times grow old by themselves; the exact one, in the operator's own zone, is on hover.
import { afterShowing } from "./showing.js";

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });

export function startTimes() {
  afterShowing(update);
  setInterval(update, 10000);
  update();
}

function update() {
  for (const time of document.querySelectorAll("time[data-ago], time[data-clock]")) {
    const at = new Date(time.dateTime);
    put(time, time.hasAttribute("data-clock") ? CLOCK.format(at) : ago(at));
    const title = `${EXACT.format(at)} (${at.toISOString()})`;
    if (time.title !== title) time.title = title;
  }
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// The same words as the server's.
function ago(at) {
  const seconds = (Date.now() - at) / 1000;
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}
