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

// What the page said about the last action stays until the next one, and a list does not move
// under the pointer: what has changed is offered instead.
function prepare(old, fresh, poll) {
  if (!poll) return;
  const said = old.querySelector("#flash");
  fresh.querySelector("#flash")?.replaceWith(said.cloneNode(true));
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

// A row that goes away takes the focus along; the row in its place gets it.
function placeOfFocus() {
  const row = document.activeElement?.closest("tr[data-key]");
  if (!row) return null;
  return { body: row.parentElement, index: [...row.parentElement.children].indexOf(row) };
}

function restore(focus) {
  if (!focus || document.activeElement !== document.body) return;
  const rows = document.querySelectorAll("#main tbody tr[data-key]");
  const row = rows[Math.min(focus.index, rows.length - 1)];
  (row?.querySelector("[data-row]") ?? document.getElementById("main")).focus();
}
