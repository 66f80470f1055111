// The pages without a frame: login and errors.
const wait = document.querySelector("[data-wait]");
if (wait) {
  const button = document.querySelector("form button");
  const label = button.textContent;
  let left = Number(wait.dataset.wait);
  const tick = () => {
    button.disabled = left > 0;
    button.textContent = left > 0 ? `${label} (in ${left} s)` : label;
    if (left > 0) setTimeout(tick, 1000);
    left -= 1;
  };
  tick();
}
if (document.querySelector("[data-reload]")) setTimeout(() => location.reload(), 5000);
