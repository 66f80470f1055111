// How long something is still good, counted down; then that it is over, and what can be done.
import { afterShowing } from "./showing.js";

export function startExpiring() {
  afterShowing(tell);
  setInterval(tell, 1000);
  tell();
}

function tell() {
  for (const time of document.querySelectorAll("time[data-until]")) {
    const left = Math.ceil((new Date(time.dateTime) - Date.now()) / 1000);
    const text = left > 0 ? `for ${words(left)}` : "no more: plan again to start it";
    if (time.textContent !== text) time.textContent = text;
    if (left > 0) continue;
    for (const button of document.querySelectorAll("[data-until-then]")) {
      button.disabled = true;
      button.dataset.away = "";
    }
  }
}

function words(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
