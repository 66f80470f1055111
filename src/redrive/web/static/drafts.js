// What was typed into a question outlives a login: the same question is asked again after it.
import { ask, checkTyped } from "./dialogs.js";
import { hasEnded } from "./session.js";

const KEPT = "redrive-question";

export function startDrafts() {
  window.addEventListener("pagehide", () => hasEnded() && keep());
  window.addEventListener("pageshow", ({ persisted }) => persisted && sessionStorage.removeItem(KEPT));
  takeUp();
}

function keep() {
  const open = document.querySelector("#dialog[open]");
  const form = (open ?? document.getElementById("main")).querySelector("#question form");
  if (!form) return;
  const typed = [...form.elements].filter((field) => field.name && field.type !== "hidden");
  const kept = {
    ...whoAndWhere(),
    address: open?.dataset.address,
    values: typed.map((field) => [field.name, field.type === "checkbox" ? field.checked : field.value]),
  };
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
}

async function takeUp() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT));
  sessionStorage.removeItem(KEPT);
  const here = whoAndWhere();
  if (!kept || kept.user !== here.user || kept.place !== here.place) return;
  if (kept.address) await ask(kept.address);
  const form = document.querySelector(kept.address ? "#dialog #question form" : "#main #question form");
  for (const [name, value] of form ? kept.values : []) {
    const field = form.elements[name];
    if (field) field[typeof value === "boolean" ? "checked" : "value"] = value;
  }
  checkTyped(form?.querySelector("[data-typed]"));
}

function whoAndWhere() {
  return {
    user: document.querySelector(".user").textContent,
    place: location.pathname + location.search,
  };
}
