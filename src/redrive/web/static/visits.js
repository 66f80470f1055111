// Links and forms that change the content in place, with addresses and history as usual.
import { Away, load, Problem, SessionEnded, sessionEnded } from "./loading.js";
import { show } from "./showing.js";

export function startVisits() {
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit);
  document.addEventListener("change", onChange);
  window.addEventListener("popstate", () => visit(location.href, { push: false }));
}

let asked = 0;

// Of two visits that overlap the later one counts.
export async function visit(address, { push = true } = {}) {
  asked += 1;
  const number = asked;
  await attempt(async () => {
    const answer = await load(address);
    if (number === asked) arrive(answer, push);
  });
}

function arrive({ page, address }, push) {
  const before = location.pathname;
  if (push && address !== location.pathname + location.search) history.pushState(null, "", address);
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  show(page, { poll: false });
  if (before !== location.pathname && push) {
    window.scrollTo(0, 0);
    document.getElementById("main").focus();
  }
}

function onClick(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (event.target.closest("[data-again]")) return visit(location.href, { push: false });
  // A column of the chart is too narrow to be a link; the filter of the list does the same.
  const column = event.target.closest("[data-leads]");
  if (column) return location.assign(column.dataset.leads);
  const link = event.target.closest("a[data-visit]");
  if (!link) return undefined;
  event.preventDefault();
  return visit(link.href);
}

async function onSubmit(event) {
  const form = event.target;
  if (!form.matches("[data-enhance]")) return;
  event.preventDefault();
  if (form.method === "get") {
    visit(addressOf(form));
    return;
  }
  const button = event.submitter ?? form.querySelector("button");
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  button?.setAttribute("aria-busy", "true");
  const body = new URLSearchParams(new FormData(form, event.submitter));
  try {
    await attempt(async () => arrive(await load(form.action, { form: body }), true));
  } finally {
    delete form.dataset.busy;
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
  return given.size ? `${form.action}?${given}` : form.action;
}

// What goes wrong is said in place, and the page stays. An action is never sent a second time.
async function attempt(work) {
  const slow = setTimeout(() => document.documentElement.classList.add("loading"), 150);
  try {
    await work();
  } catch (error) {
    if (error instanceof SessionEnded) sessionEnded();
    else if (error instanceof Problem) tell(error.message, error.page);
    else if (!(error instanceof Away)) throw error;
    else tell("The console cannot be reached. If this was an action, look whether it was taken.");
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
    document.querySelector("dialog[open] [data-typed]")?.focus();
    return;
  }
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  const said = document.createElement("p");
  said.className = "flash tone-danger";
  said.textContent = text;
  document.getElementById("flash").replaceChildren(said);
}
