// A closed dialog gives the focus back at once, to the content where nothing had it. Otherwise it
// would stay on the hidden dialog until the next rendering, and take the keys pressed until then.
export function openDialog(dialog) {
  if (dialog.open) return;
  if (document.activeElement === document.body) {
    document.getElementById("main").focus({ preventScroll: true });
  }
  dialog.showModal();
}
