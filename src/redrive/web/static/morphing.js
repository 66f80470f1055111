// Makes one part of the page equal to a newly loaded one and touches only what differs, so that
// focus, selection, scroll positions and opened details stay.

const CONTROLS = new Set(["INPUT", "SELECT", "TEXTAREA"]);

// `poll`: nobody asked for it, so what the operator is typing or choosing is left alone.
export function morph(old, fresh, { poll }) {
  if (old.nodeName !== fresh.nodeName || keyOf(old) !== keyOf(fresh) || nameOf(old) !== nameOf(fresh)) {
    old.replaceWith(document.importNode(fresh, true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.isEqualNode(fresh) && !CONTROLS.has(old.nodeName)) return;
  if (old.hasAttribute("data-keep") || (poll && CONTROLS.has(old.nodeName))) return;
  // What is being typed and was not sent yet.
  const typing = document.activeElement === old && old.value !== old.defaultValue;
  morphAttributes(old, fresh);
  if (CONTROLS.has(old.nodeName) && !typing) morphValue(old, fresh);
  morphChildren(old, fresh, { poll });
}

function morphAttributes(old, fresh) {
  const kept = old.nodeName === "DETAILS" ? "open" : null;
  for (const { name } of [...old.attributes]) {
    if (name !== kept && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== kept && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function morphValue(old, fresh) {
  if (old.nodeName === "SELECT") return;
  if (old.value !== fresh.value) old.value = fresh.value;
}

function morphChildren(old, fresh, options) {
  const keyed = new Map();
  for (const child of old.children) if (keyOf(child)) keyed.set(keyOf(child), child);
  let next = old.firstChild;
  for (const wanted of fresh.childNodes) {
    const key = keyOf(wanted);
    let found = key ? keyed.get(key) : null;
    if (!found && !key && next && !keyOf(next) && next.nodeName === wanted.nodeName) found = next;
    if (!found) {
      old.insertBefore(document.importNode(wanted, true), next);
      continue;
    }
    keyed.delete(key);
    if (found === next) next = next.nextSibling;
    else old.insertBefore(found, next);
    morph(found, wanted, options);
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
  if (old.nodeName === "SELECT" && document.activeElement !== old) {
    const chosen = fresh.querySelector("option[selected]") ?? fresh.querySelector("option");
    if (chosen && old.value !== chosen.value) old.value = chosen.value;
  }
}

function keyOf(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return null;
  return node.id || node.dataset?.key || node.getAttribute("data-key") || null;
}

// A field of another name is another field, with a value of its own.
function nameOf(node) {
  return CONTROLS.has(node.nodeName) ? node.getAttribute("name") : null;
}
