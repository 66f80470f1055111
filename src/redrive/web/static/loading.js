// Asks the server for a page and reads what came back.

// A page that asks by itself does not wait for ever: it would never ask again.
const POLL_PATIENCE = 20000;

export class SessionEnded extends Error {}

// The server cannot be reached.
export class Away extends Error {}

// A problem: the server answered, and said what is wrong.
export class Problem extends Error {
  constructor(status, text, page) {
    super(text);
    this.status = status;
    this.page = page;
  }
}

// Returns the page and the address that it came from, which a redirect may have changed.
// Throws SessionEnded, Away or Problem.
export async function load(address, { poll = false, form = null } = {}) {
  const headers = { Accept: "text/html", "X-Redrive-Part": "main" };
  if (poll) headers["X-Redrive-Poll"] = "1";
  const asked = fetch(address, {
    method: form ? "POST" : "GET",
    body: form,
    headers,
    credentials: "same-origin",
    cache: "no-store",
    signal: poll ? AbortSignal.timeout(POLL_PATIENCE) : null,
  });
  const gone = () => {
    throw new Away();
  };
  const answer = await asked.catch(gone);
  const url = new URL(answer.url);
  if (answer.status === 401 || url.pathname === "/admin/login") throw new SessionEnded();
  const page = new DOMParser().parseFromString(await answer.text().catch(gone), "text/html");
  // A parsed page has no scripting, so what is for browsers without it comes as elements: the
  // reload that keeps an operation's page alive there would reload this one, too.
  for (const element of page.querySelectorAll("noscript")) element.remove();
  if (!answer.ok) {
    const said = page.querySelector("[data-detail]")?.textContent;
    throw new Problem(answer.status, said ?? `The console answered ${answer.status}.`, page);
  }
  return { page, address: url.pathname + url.search };
}
