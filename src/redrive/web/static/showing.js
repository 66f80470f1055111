// Puts a loaded page on the screen.
import { morph } from "./morphing.js";

const listeners = [];

// Calls `listener` after every change of the content.
export function afterShowing(listener) {
  listeners.push(listener);
}

export function show(page, { poll }) {
  const focus = placeOfFocus();
  document.title = page.title;
  for (const id of ["icon", "nav", "main"]) {
    const old = document.getElementById(id);
    const fresh = page.getElementById(id);
    if (!old || !fresh) continue;
    if (id === "main") prepare(old, fresh, poll);
    morph(old, fresh, { poll });
  }
  restore(focus);
  for (const listener of listeners) listener({ poll });
}

// What the page said about the last action stays until what it speaks of has changed, and a list
// does not move under the pointer: what has changed is offered instead.
function prepare(old, fresh, poll) {
  if (!poll) return;
  if (old.dataset.subject === fresh.dataset.subject) {
    const said = old.querySelector("#flash");
    fresh.querySelector("#flash")?.replaceWith(said.cloneNode(true));
  }
  const list = old.querySelector("[data-offer]");
  const newer = fresh.querySelector("[data-offer]");
  if (!list || !newer || topRow(list) === topRow(newer)) return;
  const copy = list.cloneNode(true);
  if (!copy.querySelector(".offer")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "offer";
    button.dataset.again = "";
    button.textContent = "The list has changed: show it";
    copy.prepend(button);
  }
  newer.replaceWith(copy);
}

function topRow(list) {
  return list.querySelector("tbody tr")?.dataset.key;
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
