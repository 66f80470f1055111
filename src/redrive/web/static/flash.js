// What the page says about the last action: when that was, and a button to send it away.
import { afterShowing } from "./showing.js";

export function startFlash() {
  document.addEventListener("click", onClick);
  afterShowing(dress);
  dress();
}

export function say(text, tone) {
  const said = document.createElement("p");
  said.className = `flash tone-${tone}`;
  said.textContent = text;
  put(said);
}

// Says what another page would have said.
export function sayAsOn(page) {
  const said = page.querySelector("#flash .flash");
  if (said) put(document.importNode(said, true));
}

function put(said) {
  document.getElementById("flash").replaceChildren(said);
  dress();
}

// The time is for the eye: a screen reader heard the message when it was new, and would hear it
// again at every change.
function dress() {
  const said = document.querySelector("#flash .flash");
  if (!said || said.querySelector(".dismiss")) return;
  const time = document.createElement("time");
  time.dateTime = new Date().toISOString();
  time.dataset.ago = "";
  time.textContent = "just now";
  time.setAttribute("aria-hidden", "true");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "dismiss";
  button.setAttribute("aria-label", "Dismiss");
  button.textContent = "×";
  said.append(time, button);
}

function onClick(event) {
  if (!event.target.closest("#flash .dismiss")) return;
  document.getElementById("flash").replaceChildren();
  document.getElementById("main").focus({ preventScroll: true });
}
