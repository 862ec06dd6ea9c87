// What is looked at, where it comes from, and the link that leads back to it.

import { LATEST_MS, settled, toast } from './dom.js';

const listeners = new Map();

/** What is looked at. `step` is null for now. */
export const state = {
  home: null, summary: null, without: null, peer: 0, deck: null, tab: 'deck', arg: '', step: null, at: null,
  search: '', group: 'none', full: false, selected: null, a: null,
};

export function on(event, what) {
  if (!listeners.has(event)) listeners.set(event, new Set());
  listeners.get(event).add(what);
}

export function tell(event, given) {
  for (const what of listeners.get(event) ?? []) what(given);
}

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Where data is: a path that only who had the token knows. It is kept for the links of this very server, in whatever tab.
const PLACE = 'cuecard-place';

/** Hands in the token: it buys a cookie, which no script sees, and the place that the cookie is for. */
export async function enter(token) {
  const { place } = await ask('/session', sent({ token }));
  localStorage.setItem(PLACE, place);
}

/** The address of data. */
export const at = (path) => `${localStorage.getItem(PLACE)}/${path}`;

const sent = (given) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(given) });

async function ask(path, options) {
  const response = await fetch(path, { credentials: 'same-origin', ...options });
  if (response.ok) return response.json();
  const text = await response.text();
  let why = text;
  try { why = JSON.parse(text).error; } catch { /* not JSON: the words themselves */ }
  throw new Refused(response.status, why || response.statusText);
}

export const get = (path, given, signal) => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value !== null && value !== undefined && value !== '') query.set(name, value);
  }
  const asked = query.size ? `?${query}` : '';
  return ask(`${at(path)}${asked}`, { signal });
};

export const post = (path, given = {}) => ask(at(path), sent(given));

export const here = (path) => `${state.peer}/${state.deck}/${path}`;
export const ofDeck = (path, given, signal) => get(here(path), given, signal);
export const doOnDeck = (path, given) => post(here(path), given);

/** Where a piece of audio is played from. */
export const audioAddress = (audio) => `${at(here(`audio/${audio.blob}`))}?mime=${encodeURIComponent(audio.mime)}`;

// Links: #/peer/deck/tab/arg?at=hash. Everything in them can be sent to a friend who has the deck.

export function link(change = {}) {
  const to = { peer: state.peer, deck: state.deck, tab: state.tab, arg: state.arg, at: state.at, ...change };
  const deck = String(to.deck ?? '').slice(0, 12);
  const arg = to.arg ? `/${to.arg}` : '';
  return `#/${to.peer}/${deck}/${to.tab}${arg}${to.at ? `?at=${to.at}` : ''}`;
}

export function go(change) {
  const to = link(change);
  if (location.hash !== to) history.pushState(null, '', to);
  follow();
}

/** A deck of a device, as far as it is known without looking into it: nothing if it is not there (any more). */
export const known = (peer, deck) => state.home.peers[peer]?.decks.find(({ id }) => id === deck);

/** Which decks there are now. Where the one that is looked at is gone, another one is. */
export async function refreshHome() {
  state.home = await get('home');
  if (!known(state.peer, state.deck)) {
    if (state.deck) toast('The deck that was shown here was removed from this device.');
    history.replaceState(null, '', '#');
    follow();
  } else tell('home');
}

export const refreshHomeSoon = settled(120, () => refreshHome().catch(() => {}), LATEST_MS);

/** Takes what the address says. */
export function follow() {
  const [path, query = ''] = location.hash.slice(2).split('?');
  const [peer, deck, tab, ...rest] = path.split('/');
  const found = state.home.peers[Number(peer)]?.decks.find(({ id }) => deck && id.startsWith(deck));
  const before = { peer: state.peer, deck: state.deck, at: state.at };
  if (deck && !found) toast('This device does not have the deck of that link.');
  if (found) {
    state.peer = Number(peer);
    state.deck = found.id;
  } else if (!known(state.peer, state.deck)) {
    const first = state.home.peers.findIndex((peer) => peer.decks.length);
    state.peer = Math.max(first, 0);
    state.deck = state.home.peers[state.peer]?.decks[0]?.id ?? null;
  }
  state.tab = tab || 'deck';
  state.arg = rest.join('/');
  state.at = new URLSearchParams(query).get('at');
  if (state.tab === 'entry') state.selected = state.arg || null;
  if (before.deck !== state.deck || before.peer !== state.peer) tell('deck');
  else if (before.at !== state.at) tell('at');
  tell('route');
}

/** The newest summary; says so when the deck changed. */
export async function refresh() {
  if (!state.deck) return;
  const before = state.summary;
  const where = here('');
  const summary = await ofDeck('summary');
  // Meanwhile another one may be looked at.
  if (where !== here('')) return;
  state.summary = summary;
  const same = before && before.deck === summary.deck && before.version === summary.version && before.peer === state.peer;
  summary.peer = state.peer;
  tell('summary');
  if (!same) tell('changed');
}

export const refreshSoon = settled(120, () => refresh().catch(() => {}), LATEST_MS);

/** The class that gives something a device's colour. */
export function lane(device) {
  const known = state.summary?.devices[device];
  return `lane-${(known?.lane ?? 0) % 8}`;
}

export const deviceName = (device) => state.summary?.devices[device]?.name ?? 'unknown';
