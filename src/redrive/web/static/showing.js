// Puts a loaded page on the screen.
import { keepList } from "./lists.js";
import { morph } from "./morphing.js";

const listeners = [];

// Calls `listener` after every change of the content.
export function afterShowing(listener) {
  listeners.push(listener);
}

// `keepsList`: the rows of the list stay where they are, as they do when nobody asked for the page.
export function show(page, { poll, keepsList = poll }) {
  const focus = placeOfFocus();
  document.title = page.title;
  for (const id of ["icon", "nav", "main"]) {
    const old = document.getElementById(id);
    const fresh = page.getElementById(id);
    if (!old || !fresh) continue;
    if (id === "main" && poll) keepFlash(old, fresh);
    if (id === "main" && keepsList) keepList(old, fresh);
    morph(old, fresh, { poll });
  }
  restore(focus);
  for (const listener of listeners) listener({ poll });
}

// What the page said about the last action stays until what it speaks of has changed, or for as long
// as the page where it lasts.
function keepFlash(old, fresh) {
  const lasts = old.querySelector("#flash [data-lasts]");
  if (!lasts && old.dataset.subject !== fresh.dataset.subject) return;
  fresh.querySelector("#flash")?.replaceWith(old.querySelector("#flash").cloneNode(true));
}

// Where the focus is: the element, and the row that it is in.
function placeOfFocus() {
  const element = document.activeElement;
  const row = element?.closest("tr[data-key]");
  return { element, index: row ? [...row.parentElement.children].indexOf(row) : -1 };
}

// An element that was moved among its siblings has lost the focus by that, and gets it back. A row
// that went away took it along; the row in its place gets it, and else the content.
function restore({ element, index }) {
  if (document.activeElement !== document.body || element === document.body) return;
  if (element?.isConnected) element.focus({ preventScroll: true });
  if (document.activeElement !== document.body) return;
  const rows = document.querySelectorAll("#main tbody tr[data-key]");
  const row = index < 0 ? null : rows[Math.min(index, rows.length - 1)];
  const link = row?.querySelector("[data-row]");
  if (link) link.focus();
  else document.getElementById("main").focus({ preventScroll: true });
}
