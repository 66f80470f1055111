// Copy buttons. Over plain HTTP browsers give pages no clipboard; the buttons are hidden then.
export function startCopying() {
  if (!navigator.clipboard) document.documentElement.classList.add("no-clipboard");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const announcer = document.getElementById("announcer");
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      announcer.textContent = "The browser did not allow to copy.";
      return;
    }
    button.classList.add("copied");
    announcer.textContent = "Copied";
    setTimeout(() => button.classList.remove("copied"), 1500);
  });
}
