// Offers apps, entries and operations while the search box is typed into: a combobox with a listbox,
// in which the box keeps the focus. Enter without a choice searches as ever.
import { afterShowing } from "./showing.js";
import { visit } from "./visits.js";

const QUIET = 180;
const FEWEST = 2;

const box = document.getElementById("search");
const list = document.createElement("div");
let timer = null;
let asking = null;
let chosen = -1;
let place = location.pathname;

export function startSuggesting() {
  list.id = "suggestions";
  list.className = "suggestions";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  list.hidden = true;
  box.form.append(list);
  // A search field cannot be a combobox; a text field can.
  box.type = "text";
  box.setAttribute("enterkeyhint", "search");
  for (const [name, value] of [
    ["role", "combobox"],
    ["aria-autocomplete", "list"],
    ["aria-controls", list.id],
    ["aria-expanded", "false"],
  ]) {
    box.setAttribute(name, value);
  }
  box.addEventListener("input", later);
  box.addEventListener("keydown", onKey);
  box.addEventListener("blur", close);
  box.form.addEventListener("submit", close);
  afterShowing(followPage);
  // The focus stays in the box, so that a press on the list does not close it before the click.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => go(event.target.closest("[data-href]")));
}

// The box belongs to no page: on another one it holds what that was searched by.
function followPage() {
  if (place === location.pathname) return;
  place = location.pathname;
  const isSearch = place === box.form.getAttribute("action");
  box.value = isSearch ? (new URLSearchParams(location.search).get("q") ?? "") : "";
}

function later() {
  clearTimeout(timer);
  asking?.abort();
  if (box.value.trim().length < FEWEST) close();
  else timer = setTimeout(ask, QUIET);
}

async function ask() {
  const text = box.value.trim();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const answer = await fetch(`/admin/search/suggestions?${new URLSearchParams({ q: text })}`, {
      headers: { Accept: "text/html", "X-Redrive-Poll": "1" },
      signal,
    });
    const html = answer.ok ? await answer.text() : "";
    if (!signal.aborted && document.activeElement === box) open(html);
  } catch {
    // A later key asks again; searching works without.
    close();
  }
}

function open(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const options = [...page.querySelectorAll("[role=option]")];
  options.forEach((option, at) => (option.id = `suggestion-${at}`));
  list.replaceChildren(...options.map((option) => document.importNode(option, true)));
  choose(-1);
  expand(options.length > 0);
  const said = options.length === 1 ? "1 suggestion" : `${options.length} suggestions`;
  document.getElementById("announcer").textContent = options.length ? said : "No suggestions";
}

function close() {
  clearTimeout(timer);
  asking?.abort();
  choose(-1);
  expand(false);
}

function expand(isOpen) {
  list.hidden = !isOpen;
  box.setAttribute("aria-expanded", String(isOpen));
}

function onKey(event) {
  if (event.isComposing) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape" && !list.hidden) {
    // Only the list is closed; what else Escape does comes with the next one.
    event.stopPropagation();
    close();
  } else if (step && list.hidden) {
    later();
  } else if (step) {
    const places = list.children.length + 1;
    choose(((chosen + 1 + step + places) % places) - 1);
  } else if (event.key === "Enter" && chosen >= 0) {
    go(list.children[chosen]);
  } else {
    return;
  }
  event.preventDefault();
}

// -1 is the box itself.
function choose(at) {
  list.children[chosen]?.setAttribute("aria-selected", "false");
  chosen = at;
  const option = list.children[at];
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) box.setAttribute("aria-activedescendant", option.id);
  else box.removeAttribute("aria-activedescendant");
}

function go(option) {
  if (!option) return;
  close();
  visit(option.dataset.href);
}
