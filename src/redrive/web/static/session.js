// The end of a session: it is said for as long as it lasts, and a new login, in this window or in
// another one, is noticed.
import { openDialog } from "./modal.js";
import { afterShowing } from "./showing.js";

const LOOK_EVERY = 5000;
// Written by every page that has a session; other windows of the browser hear of it.
const SIGN = "redrive-session";

const listeners = [];
let ended = false;

export function startSession() {
  localStorage.setItem(SIGN, String(Date.now()));
  window.addEventListener("storage", ({ key }) => key === SIGN && look());
  window.addEventListener("pageshow", look);
  document.addEventListener("visibilitychange", look);
  setInterval(look, LOOK_EVERY);
  afterShowing(goOn);
}

// Calls `listener` when there is a session again.
export function afterLogin(listener) {
  listeners.push(listener);
}

export function hasEnded() {
  return ended;
}

// The dialog can be closed, to read what is there; the banner stays.
export function sessionEnded() {
  ended = true;
  const back = encodeURIComponent(location.pathname + location.search);
  for (const link of document.querySelectorAll("[data-login]")) {
    link.href = `/admin/login?next=${back}`;
  }
  document.getElementById("session-banner").hidden = false;
  openDialog(document.getElementById("session-ended"));
}

async function look() {
  if (!ended || document.hidden) return;
  const headers = { Accept: "application/json", "X-Redrive-Poll": "1" };
  const answer = await fetch("/admin/api/session", { headers, cache: "no-store" }).catch(() => null);
  if (answer?.ok) goOn();
}

function goOn() {
  if (!ended) return;
  ended = false;
  document.getElementById("session-banner").hidden = true;
  document.getElementById("session-ended").close();
  for (const listener of listeners) listener();
}
