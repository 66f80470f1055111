// A list does not move under the pointer: its rows stay where they are, and what else there is by now
// is offered.
export function keepList(old, fresh) {
  const list = old.querySelector("[data-offer]");
  const newer = fresh.querySelector("[data-offer]");
  if (!list || !newer) return;
  const shown = rowsOf(list);
  const now = new Map(rowsOf(newer).map((row) => [row.dataset.key, row]));
  if (shown.map((row) => row.dataset.key).join() === [...now.keys()].join()) return;
  const rows = shown.map((row) => now.get(row.dataset.key) ?? left(row));
  newer.querySelector("tbody").replaceChildren(...rows);
  newer.prepend(offer());
  keepPager(list, newer);
}

function rowsOf(list) {
  return [...list.querySelectorAll("tbody tr")];
}

// A row that the list has no more: it can still be opened, and nothing be done with it from here.
function left(row) {
  const copy = row.cloneNode(true);
  const chosen = new URL(location.href).searchParams.get("entry") === copy.dataset.key;
  copy.classList.toggle("chosen", chosen);
  const link = copy.querySelector("[data-row]");
  if (chosen) link?.setAttribute("aria-current", "true");
  else link?.removeAttribute("aria-current");
  const badge = document.createElement("span");
  badge.className = "badge tone-quiet";
  badge.title = "It is not in this list any more.";
  badge.textContent = "changed";
  copy.querySelector(".col-act")?.replaceChildren(badge);
  return copy;
}

function offer() {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "offer";
  button.dataset.again = "";
  button.dataset.key = "offer";
  button.textContent = "The list has changed: show it";
  return button;
}

// Where the next page begins belongs to the rows that are shown.
function keepPager(list, newer) {
  const [old, fresh] = [list, newer].map((one) => one.parentElement.querySelector(":scope > .pager"));
  if (old && fresh) fresh.replaceWith(old.cloneNode(true));
  else if (old) newer.after(old.cloneNode(true));
  else fresh?.remove();
}
