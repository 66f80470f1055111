// Asks in a native dialog what the page of the link would ask, and keeps the question true.
import { load, SessionEnded } from "./loading.js";
import { openDialog } from "./modal.js";
import { morph } from "./morphing.js";
import { hasEnded, sessionEnded } from "./session.js";
import { attempt, isVisiting } from "./visits.js";

const LOOK_EVERY = 3000;

export function startDialogs() {
  document.addEventListener("pointerdown", onPointerDown);
  document.addEventListener("click", onClick);
  document.addEventListener("input", onInput);
  setInterval(look, LOOK_EVERY);
}

let pressedOutside = false;

// A press that begins inside, as marking text does, is no click beside the dialog where it ends.
function onPointerDown({ target, clientX, clientY }) {
  const { left, right, top, bottom } = document.getElementById("dialog").getBoundingClientRect();
  const inside = clientX >= left && clientX <= right && clientY >= top && clientY <= bottom;
  pressedOutside = target.id === "dialog" && !inside;
}

function onClick(event) {
  const link = event.target.closest("a[data-dialog]");
  if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
    event.preventDefault();
    ask(link.href);
  }
  const dialog = document.getElementById("dialog");
  const beside = event.target === dialog && pressedOutside;
  const dismissed = event.target.closest("dialog [data-dismiss]") || beside;
  if (dismissed && dialog.open) {
    event.preventDefault();
    dialog.close();
  }
}

let asked = 0;

// Of two questions the later one is asked, and none on a page that it was not asked for.
export async function ask(address) {
  asked += 1;
  const number = asked;
  const place = location.href;
  await attempt(async () => {
    const { page } = await load(address);
    if (number !== asked || place !== location.href) return;
    const dialog = document.getElementById("dialog");
    dialog.replaceChildren(document.importNode(page.getElementById("question"), true));
    dialog.dataset.address = address;
    checkTyped(dialog.querySelector("[data-typed]"));
    openDialog(dialog);
    (dialog.querySelector("[data-typed]") ?? dialog.querySelector("[data-focus]") ?? dialog).focus();
  });
}

let looking = false;

async function look() {
  const dialog = document.querySelector("#dialog[open]");
  if (!dialog || looking || hasEnded() || isVisiting() || document.hidden) return;
  looking = true;
  const question = dialog.querySelector("#question");
  try {
    const { page } = await load(dialog.dataset.address, { poll: true });
    const fresh = page.getElementById("question");
    if (fresh && question.isConnected && !isVisiting()) freshen(question, fresh);
  } catch (error) {
    // Whether the console answers is said by the page behind.
    if (error instanceof SessionEnded) sessionEnded();
  } finally {
    looking = false;
  }
}

// A number that is being typed is asked for until it stands there, and a refusal stays until it was
// read. What would be done now is said beside it, in the title and on the button.
function freshen(question, fresh) {
  const [count, now] = [question, fresh].map((one) => one.querySelector("[name=count]"));
  const [typed, wanted] = [question, fresh].map((one) => one.querySelector("[data-typed]"));
  const refused = question.querySelector("[aria-invalid]");
  if (refused || (typed && (typed.value || question.querySelector("[role=alert]")))) {
    for (const part of ["h2", "h2 + p", "[data-confirm]"]) follow(question, fresh, part);
    const newer = Number(now?.value ?? 0);
    if (typed) say(typed, newer === Number(count.value) ? "" : `It is ${newer.toLocaleString("en")} now.`);
    return;
  }
  morph(question, fresh, { poll: true });
  if (count && now) count.value = now.value;
  if (typed && wanted) {
    typed.dataset.typed = wanted.dataset.typed;
    typed.removeAttribute("aria-invalid");
  }
  checkTyped(question.querySelector("[data-typed]"));
}

function follow(question, fresh, part) {
  const [old, now] = [question, fresh].map((one) => one.querySelector(part));
  if (!old || !now || old.textContent === now.textContent) return;
  old.replaceChildren(...document.importNode(now, true).childNodes);
}

function say(typed, text) {
  let note = typed.form.querySelector("[data-now]");
  if (!note && text) {
    note = document.createElement("p");
    note.className = "note";
    note.dataset.now = "";
    note.setAttribute("role", "status");
    typed.closest("label").after(note);
  }
  if (note && note.textContent !== text) note.textContent = text;
}

function onInput(event) {
  if (event.target.matches("[data-typed]")) checkTyped(event.target);
}

// The button works once the number stands there, with or without separators, while it can act at all.
export function checkTyped(input) {
  if (!input) return;
  const button = input.form.querySelector("[data-confirm]");
  const isTyped = input.value.replace(/\D/g, "") === input.dataset.typed;
  button.disabled = !isTyped || "away" in button.dataset;
}
