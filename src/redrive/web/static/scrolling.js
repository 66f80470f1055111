// Where a page was scrolled to is kept with its place in the history. The browser alone cannot
// restore it: it tries before the content is there.

const QUIET = 150;

let timer = null;

export function startScrolling() {
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(keepScroll, QUIET);
  };
  window.addEventListener("scroll", later, { passive: true });
}

export function keepScroll() {
  clearTimeout(timer);
  history.replaceState({ ...history.state, scroll: window.scrollY }, "");
}

// The top of the page, or of its list where that begins far below.
export function toTop(isList) {
  window.scrollTo(0, 0);
  const list = isList && document.querySelector("#main .pager")?.parentElement.querySelector(".table-frame");
  if (list && list.getBoundingClientRect().top > window.innerHeight / 2) list.scrollIntoView();
  document.getElementById("main").focus({ preventScroll: true });
}
