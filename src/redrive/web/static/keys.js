// Keyboard shortcuts. Single keys can be switched off: they get in the way of speech input.
import { openDialog } from "./modal.js";
import { pick } from "./picking.js";
import { visit } from "./visits.js";

const PAGES = {
  o: "/admin/",
  f: "/admin/failures",
  g: "/admin/groups",
  a: "/admin/apps",
  p: "/admin/operations",
  q: "/admin/queues",
  u: "/admin/audit",
};
const SETTING = "redrive-single-keys";
// Where a single key means itself. A checkbox is not typed into.
const TYPING = "input:not([type=checkbox], [type=radio]), select, textarea";

let leading = false;

export function startKeys() {
  const box = document.getElementById("keys-on");
  box.checked = localStorage.getItem(SETTING) !== "off";
  box.addEventListener("change", () => localStorage.setItem(SETTING, box.checked ? "on" : "off"));
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-help]")) help();
  });
}

function onKey(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    search();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest(TYPING)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "Escape") closeDetail();
  else if (document.getElementById("keys-on").checked) single(event);
}

function single(event) {
  // A key that is held down moves along a list; it does not act again and again.
  if (event.repeat && event.key !== "j" && event.key !== "k") return;
  const led = leading;
  leading = false;
  if (led && PAGES[event.key]) visit(PAGES[event.key], { fromTop: true });
  else if (event.key === "g") leading = true;
  else if (event.key === "/") search();
  else if (event.key === "?") help();
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "r") retry();
  else if (event.key === "x") pick(document.activeElement.closest("tr"));
  else return;
  event.preventDefault();
}

function help() {
  openDialog(document.getElementById("help"));
}

function search() {
  const input = document.getElementById("search");
  input.focus();
  input.select();
}

function step(by) {
  const rows = [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent);
  const current = document.activeElement.closest("tr, li")?.querySelector("[data-row]");
  const at = rows.indexOf(current ?? document.querySelector("[data-row][aria-current]"));
  rows[Math.min(Math.max(at + by, 0), rows.length - 1)]?.focus();
}

function retry() {
  const row = document.activeElement.closest("tr") ?? document.querySelector(".split-detail");
  row?.querySelector("[data-retry]")?.click();
}

function closeDetail() {
  const address = document.getElementById("main").dataset.close;
  if (!address) return;
  const key = document.querySelector("tr.chosen")?.dataset.key;
  visit(address, { keepsList: true }).then(() => {
    document.querySelector(`tr[data-key="${CSS.escape(key ?? "")}"] [data-row]`)?.focus();
  });
}
