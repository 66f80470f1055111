// Choosing rows of a list: counts what is chosen, and keeps the choices of page and filter true.
import { afterShowing } from "./showing.js";

export function startPicking() {
  document.addEventListener("change", onChange);
  afterShowing(tell);
  tell();
}

// Chooses the row, or not. Returns whether it can be.
export function pick(row) {
  const box = row?.querySelector("[data-pick]");
  if (!box) return false;
  box.checked = !box.checked;
  onChange({ target: box });
  return true;
}

function onChange({ target }) {
  if (target.matches("[data-pick-page]")) {
    for (const box of boxes()) box.checked = target.checked;
  } else if (target.matches("[data-pick]") && !target.checked) {
    // The choice of everything that fits is over once a row of it is not meant.
    const all = document.querySelector("[data-pick-all]");
    if (all) all.checked = false;
  } else if (!target.matches("[data-pick], [data-pick-all]")) {
    return;
  }
  tell();
}

function boxes() {
  return [...document.querySelectorAll("#main [data-pick]")];
}

function tell() {
  const form = document.getElementById("picking");
  if (!form) return;
  const chosen = boxes().filter((box) => box.checked).length;
  const all = form.querySelector("[data-pick-all]");
  const page = form.querySelector("[data-pick-page]");
  // Where rows can be checked all at once, those that are shown are meant and no others.
  form.querySelector("[name=page_ids]").disabled = true;
  page.checked = chosen > 0 && chosen === boxes().length;
  page.indeterminate = chosen > 0 && !page.checked;
  const many = all?.checked ? form.querySelector("[data-matching]").textContent : chosen.toLocaleString("en");
  put(document.getElementById("picked"), chosen || all?.checked ? `${many} chosen` : "None chosen");
  for (const button of form.querySelectorAll("[data-act]")) {
    const fits = !all?.checked || all.dataset.kinds.split(" ").includes(button.value);
    button.disabled = !fits || !(chosen || all?.checked);
    button.title = whyNot(button, fits);
  }
}

function whyNot(button, fits) {
  if (!button.disabled) return "";
  return fits ? "Choose rows first." : "It would take entries in other states than this list shows.";
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
