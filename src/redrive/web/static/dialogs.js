// Asks in a native dialog what the page of the link would ask.
import { load, SessionEnded, sessionEnded } from "./loading.js";

export function startDialogs() {
  document.addEventListener("click", onClick);
  document.addEventListener("input", onInput);
}

// A closed dialog gives the focus back at once, to the content where nothing had it. Otherwise it
// would stay on the hidden dialog until the next rendering, and take the keys pressed until then.
export function openDialog(dialog) {
  if (document.activeElement === document.body) {
    document.getElementById("main").focus({ preventScroll: true });
  }
  dialog.showModal();
}

function onClick(event) {
  const link = event.target.closest("a[data-dialog]");
  if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
    event.preventDefault();
    ask(link.href);
  }
  const dialog = document.getElementById("dialog");
  const dismissed = event.target.closest("dialog [data-dismiss]") || event.target === dialog;
  if (dismissed && dialog.open) {
    event.preventDefault();
    dialog.close();
  }
}

async function ask(address) {
  const dialog = document.getElementById("dialog");
  try {
    const { page } = await load(address);
    dialog.replaceChildren(document.importNode(page.getElementById("question"), true));
  } catch (error) {
    if (error instanceof SessionEnded) sessionEnded();
    else location.assign(address);
    return;
  }
  checkTyped(dialog.querySelector("[data-typed]"));
  openDialog(dialog);
  (dialog.querySelector("[data-typed]") ?? dialog.querySelector("[data-focus]") ?? dialog).focus();
}

function onInput(event) {
  if (event.target.matches("[data-typed]")) checkTyped(event.target);
}

// The button works once the number stands there, with or without separators.
function checkTyped(input) {
  if (!input) return;
  const button = input.form.querySelector("[data-confirm]");
  button.disabled = input.value.replace(/\D/g, "") !== input.dataset.typed;
}
