// Links and forms change the content in place, with addresses and history as usual: a page that
// cannot be loaded does not take away the one that is there.
import { say, sayAsOn } from "./flash.js";
import { Away, load, Problem, SessionEnded } from "./loading.js";
import { keepScroll, toTop } from "./scrolling.js";
import { sessionEnded } from "./session.js";
import { show } from "./showing.js";

export function startVisits() {
  document.addEventListener("click", onSecondClick, true);
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit);
  document.addEventListener("change", onChange);
  window.addEventListener("popstate", onPopState);
}

let shown = location.pathname + location.search;
let asked = 0;
let underWay = 0;

// How many visits and actions there were so far.
export function visitsSoFar() {
  return asked;
}

// Whether Back or Forward led to a page that could not be loaded.
export function isElsewhere() {
  return shown !== location.pathname + location.search;
}

export function isVisiting() {
  return underWay > 0;
}

// Of two visits that overlap the later one counts; an action is a visit to what it answers.
// `keepsList`: what the list shows was not asked for anew, only an entry of it or an action on one.
// `fromTop`: the page begins anew, though it may be the one that is there.
export async function visit(address, options = {}) {
  const { form = null } = options;
  asked += 1;
  const number = asked;
  underWay += 1;
  try {
    await attempt(async () => {
      const answer = await load(address, { form });
      if (number === asked) arrive(answer, options);
      else if (form) sayAsOn(answer.page);
    }, form ? "Look whether the action was taken." : undefined);
  } finally {
    underWay -= 1;
  }
}

function arrive({ page, address }, { push = true, scroll = null, keepsList = false, fromTop = false }) {
  const before = new URL(location.href);
  const isSameList = listOf(address) === listOf(shown);
  if (push && address !== shown) {
    keepScroll();
    history.pushState(null, "", address);
  }
  shown = location.pathname + location.search;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  show(page, { poll: false, keepsList: keepsList && isSameList });
  const isList = before.pathname === location.pathname;
  const turned = before.searchParams.get("cursor") !== new URL(location.href).searchParams.get("cursor");
  if (scroll !== null) window.scrollTo(0, scroll);
  else if (fromTop) toTop(false);
  else if (push && (!isList || turned)) toTop(isList);
  // As a browser does where a page is loaded whole.
  if (push) document.querySelector("#main [autofocus]")?.focus();
}

// An address without the entry that is open beside the list.
function listOf(address) {
  const url = new URL(address, location.href);
  url.searchParams.delete("entry");
  return url.pathname + url.search;
}

// A jump within the page is no visit.
function onPopState(event) {
  if (!isElsewhere()) return;
  visit(location.href, { push: false, scroll: event.state?.scroll ?? 0, keepsList: true });
}

let before = 0;

// The second click of a double click must not press a button that its first one has led to.
function onSecondClick(event) {
  if (event.detail < 2) before = asked;
  else if (asked !== before && event.target.closest("form[method=post] button")) event.preventDefault();
}

function onClick(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (event.target.closest("[data-again]")) return visit(location.href, { push: false });
  // A column of the chart is too narrow to be a link; the filter of the list does the same.
  const column = event.target.closest("[data-leads]");
  if (column) return visit(column.dataset.leads);
  const link = event.target.closest(".brand, #nav a, #main a[href^='/admin/']:not([data-dialog])");
  if (!link) return undefined;
  event.preventDefault();
  return visit(link.href, {
    keepsList: link.matches("[data-row], [data-close-detail]"),
    fromTop: !link.closest("#main"),
  });
}

const busy = new WeakSet();

async function onSubmit(event) {
  const form = event.target;
  if (!form.matches("[data-enhance]")) return;
  event.preventDefault();
  if (form.method === "get") {
    visit(addressOf(form));
    return;
  }
  if (busy.has(form)) return;
  const button = event.submitter ?? form.querySelector("button");
  busy.add(form);
  button?.setAttribute("aria-busy", "true");
  try {
    const given = new URLSearchParams(new FormData(form, event.submitter));
    await visit(form.action, { form: given, keepsList: true });
  } finally {
    busy.delete(form);
    button?.removeAttribute("aria-busy");
  }
}

function onChange(event) {
  const form = event.target.closest("form[data-auto]");
  if (form) visit(addressOf(form));
}

// The address that a form leads to, without what is empty or stands for itself.
function addressOf(form) {
  const given = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") given.append(name, value);
  if (given.get("state") === "failed") given.delete("state");
  if (given.get("order") === "newest") given.delete("order");
  // A field called "action" hides the form's own.
  const place = form.getAttribute("action");
  return given.size ? `${place}?${given}` : place;
}

// What goes wrong is said in place, and the page stays. An action is never sent a second time.
export async function attempt(work, whenAway = "This page stays as it was.") {
  const slow = setTimeout(() => document.documentElement.classList.add("loading"), 150);
  try {
    await work();
  } catch (error) {
    if (error instanceof SessionEnded) sessionEnded();
    else if (error instanceof Problem) tell(error.message, error.page);
    else if (!(error instanceof Away)) throw error;
    else tell(`The console cannot be reached. ${whenAway}`);
  } finally {
    clearTimeout(slow);
    document.documentElement.classList.remove("loading");
  }
}

function tell(text, page) {
  const question = page?.getElementById("question");
  const open = document.querySelector("dialog[open] #question");
  if (question && open) {
    open.replaceWith(document.importNode(question, true));
    const wrong = document.querySelector("dialog[open] [aria-invalid]");
    (wrong ?? document.querySelector("dialog[open] [data-typed]"))?.focus();
    return;
  }
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  say(text, "danger");
}
