// Making elements. Text goes in as text, and there is no other way in: nothing of this page is ever made of markup.

const SVG = 'http://www.w3.org/2000/svg';
const ATTRIBUTES = /^(class|id|role|for|type|href|src|alt|title|name|value|min|max|step|tabindex|placeholder|maxlength|rows|width|height|aria-.*|data-.*)$/;

// What a screen would obey instead of showing: escapes, direction marks, breaks that hide. Cards come from other people.
const HARMFUL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A text with everything that would act made visible. */
export const shown = (text) =>
  String(text ?? '').replace(HARMFUL, (sign) => `\\u{${sign.codePointAt(0).toString(16)}}`);

function fill(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(shown(child)));
  }
  return element;
}

/** An element: its tag, what is set on it, what is in it. `on…` listens; `style` sets custom properties. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'style') for (const [key, of] of Object.entries(value)) element.style.setProperty(key, of);
    else if (ATTRIBUTES.test(name)) element.setAttribute(name, value === true ? '' : shown(value));
    else element[name] = value;
  }
  return fill(element, children);
}

/** A part of a drawing. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  return fill(element, children);
}

/** Puts these in place of what is there. */
export const put = (host, ...children) => fill((host.replaceChildren(), host), children);

/** Puts a text in place of another one: what says the same is not touched. */
export const say = (host, text) => {
  const told = shown(text);
  if (host.textContent !== told) host.textContent = told;
};

export const byId = (id) => document.getElementById(id);

/** The latest for what follows events: what a member shows of itself comes more often than anything settles. */
export const LATEST_MS = 500;

/** Calls once, when nothing more came for so long; and so long after the first that came since, whatever else comes. */
export function settled(wait, what, latest = Infinity) {
  let timer = 0;
  let due = null;
  return (...given) => {
    clearTimeout(timer);
    const now = performance.now();
    due ??= now + latest;
    timer = setTimeout(() => { due = null; what(...given); }, Math.max(0, Math.min(wait, due - now)));
  };
}

/** A short word at the edge of the screen, read out as well. */
export function toast(text) {
  const host = byId('toast');
  put(host, text);
  host.classList.add('on');
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => host.classList.remove('on'), 3500);
}

/** Notes when something was first on the screen, for whoever measures it. */
export function painted(name) {
  if (painted[name]) return;
  painted[name] = true;
  requestAnimationFrame(() => setTimeout(() => performance.mark(name)));
}

// What is under a finger is not to be replaced between its going down and its coming up, or the press is lost.

// Longer than anybody presses: it only ends a press whose end was never told.
const HOLD_MS = 5_000;
const waiting = new Set();
let heldSince = -Infinity;

addEventListener('pointerdown', () => { heldSince = performance.now(); }, true);
for (const end of ['pointerup', 'pointercancel']) {
  addEventListener(end, () => {
    heldSince = -Infinity;
    setTimeout(() => {
      const all = [...waiting];
      waiting.clear();
      for (const what of all) what();
    });
  }, true);
}

/** Does it now, or as soon as nothing is held down. */
export function unheld(what) {
  if (performance.now() - heldSince > HOLD_MS) what();
  else waiting.add(what);
}
