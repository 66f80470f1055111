// The pages without a frame: login and errors.
const EVERY = 5000;

document.documentElement.classList.add("scripted");
const wait = document.querySelector("[data-wait]");
if (wait) countDown(Number(wait.dataset.wait));
if (document.querySelector("[data-reload]")) startTrying();

function countDown(seconds) {
  const button = document.querySelector("form button");
  const label = button.textContent;
  const until = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `${label} (in ${left} s)` : label;
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
}

// Asks in the background; the page stays as it is until there is something better.
function startTrying() {
  const button = document.querySelector("[data-try]");
  let trying = false;
  const attempt = async () => {
    if (trying) return;
    trying = true;
    button.setAttribute("aria-busy", "true");
    const back = await whatIsBack();
    button.removeAttribute("aria-busy");
    trying = false;
    if (back) location.replace(back);
    else tell();
  };
  setInterval(attempt, EVERY);
  button.addEventListener("click", async () => {
    await attempt();
    document.querySelector("[data-told]").textContent = "Still away.";
  });
}

// The address to go on at; null while it is away. An action's own address cannot be asked for, and
// nothing is sent a second time.
async function whatIsBack() {
  const here = location.pathname + location.search;
  const signal = AbortSignal.timeout(EVERY * 2);
  const headers = { Accept: "text/html", "X-Redrive-Poll": "1" };
  const answer = await fetch(here, { headers, signal, cache: "no-store" }).catch(() => null);
  if (answer === null || answer.status === 503) return null;
  return answer.status === 405 ? "/admin/" : here;
}

function tell() {
  const time = new Date().toLocaleTimeString(undefined, { timeStyle: "medium", hour12: false });
  document.querySelector("[data-tried]").textContent = ` Last tried at ${time}.`;
}
