// Copy buttons. Over plain HTTP browsers give pages no clipboard; the buttons are hidden then.
export function startCopying() {
  if (!navigator.clipboard) document.documentElement.classList.add("no-clipboard");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("copied");
    document.getElementById("announcer").textContent = "Copied";
    setTimeout(() => button.classList.remove("copied"), 1500);
  });
}
