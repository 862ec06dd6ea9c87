// The page: who looks, at what, in which view.

import { byId, h, put, s, unheld } from './dom.js';
import { showCompare } from './compare.js';
import { showConflicts } from './conflicts.js';
import { showCard, showDeck } from './deck.js';
import { showDevices } from './devices.js';
import { showDrafts } from './drafts.js';
import { showEntry } from './entry.js';
import * as history_ from './history.js';
import { listen, showLive } from './live.js';
import * as present from './present.js';
import * as stage from './stage.js';
import { Refused, enter, follow, get, go, known, on, refresh, state } from './state.js';
import * as timeline from './timeline.js';

const TABS = [
  ['deck', 'Deck', showDeck], ['entry', 'Entry', showEntry], ['compare', 'Compare', showCompare], ['drafts', 'Drafts', showDrafts],
  ['conflicts', 'Conflicts', showConflicts], ['devices', 'Devices', showDevices], ['live', 'Live', showLive],
];
const VIEWS = { ...Object.fromEntries(TABS.map(([id, , show]) => [id, show])), card: showCard };
const KEYS = [
  ['↑ ↓', 'go through the history (in the list)'], ['Enter', 'read the chosen entry'], ['/', 'search'], ['← →', 'one step of the slider (on it)'],
  ['[ ]', 'one step back, one forth'], ['n', 'back to now'], ['1 – 7', 'the views'], ['h', 'the history'], ['t', 'light, dark, or as the system'], ['?', 'this'],
];

let atStep = null;
let showing = 0;

async function show() {
  const mine = ++showing;
  const host = byId('view');
  document.body.classList.toggle('without', Boolean(state.without));
  if (state.without) {
    const [title, ...words] = state.without;
    put(host, h('div', { class: 'empty' }, h('h2', {}, title), h('p', {}, words)));
    host.dataset.of = '';
    return;
  }
  const tab = VIEWS[state.tab] ? state.tab : 'deck';
  document.body.dataset.tab = tab;
  markTab();
  // Made apart and put in place when it is whole: nothing flickers, and what came too late is dropped.
  const made = h('div', { class: 'made' });
  try {
    if (tab === 'deck') put(host, made);
    const update = await VIEWS[tab](made, state.arg);
    // A press that began meanwhile is not to be lost.
    await new Promise(unheld);
    if (mine !== showing) return;
    atStep = typeof update === 'function' ? update : null;
    if (tab !== 'deck') {
      const same = host.dataset.of === `${tab}/${state.arg}`;
      const { scrollTop } = host;
      put(host, made);
      host.scrollTop = same ? scrollTop : 0;
    }
    host.dataset.of = `${tab}/${state.arg}`;
  } catch (error) {
    if (mine !== showing) return;
    put(host, h('div', { class: 'empty' }, h('h2', {}, 'This cannot be shown'), h('p', {}, error.message)));
  }
}

/** The tabs are made once: what one is about to press does not change under the hand. */
function tabs() {
  put(byId('tabs'),
    h('button', { type: 'button', class: 'tab to-history', role: 'tab', 'data-tab': 'history', 'aria-controls': 'history', tabindex: -1, onclick: () => { document.body.dataset.pane = 'history'; } }, 'History'),
    TABS.map(([id, name]) => h('button', { type: 'button', class: 'tab', role: 'tab', id: `tab-${id}`, 'data-tab': id, 'aria-controls': 'view', tabindex: -1, onclick: () => { document.body.dataset.pane = 'panel'; go({ tab: id, arg: id === 'entry' ? state.selected ?? '' : '' }); } }, name, h('span', { class: 'count', hidden: true }))));
  markTab();
}

function countDrafts() {
  const count = state.summary.drafts + state.summary.late.length;
  const host = document.querySelector('#tab-drafts .count');
  host.hidden = count === 0;
  put(host, String(count), h('span', { class: 'sr' }, ' waiting'));
}

/** Says which view is open; the others are reached from it by the arrow keys. */
function markTab() {
  const tab = state.tab === 'card' || !VIEWS[state.tab] ? 'deck' : state.tab;
  for (const button of byId('tabs').children) {
    button.setAttribute('aria-selected', String(button.dataset.tab === tab));
    button.tabIndex = button.dataset.tab === tab ? 0 : -1;
  }
}

/** Reads the deck that is looked at, and says why where there is nothing to read. */
async function look() {
  const { deck } = state;
  try {
    if (deck && known(state.peer, deck).here) await refresh();
    else without(deck ? WAITING : DECKLESS);
  } catch (error) {
    if (deck === state.deck) without(['This deck cannot be shown', error.message]);
  }
}

const DECKLESS = ['No deck is on this device', h('code', {}, 'cuecard new TITLE'), ' begins one; ', h('code', {}, 'cuecard join'), ' takes one from another device.'];
const WAITING = ['Nothing of this deck is here yet', 'It comes as soon as a device that has it is linked.'];

/** Says why there is nothing to show. */
function without(words) {
  state.summary = null;
  state.without = words;
  document.title = 'Cuecard';
  put(byId('title'), '');
  byId('role').hidden = true;
  choices();
  show();
}

/** Which deck on which device to look at. */
function choices() {
  const all = state.home.peers.flatMap((peer, number) => peer.decks.map((deck) => ({ number, deck, peer })));
  const pick = byId('pick');
  put(pick, all.map(({ number, deck, peer }) => {
    const title = (deck.id === state.summary?.deck ? state.summary.title : deck.title) || 'nothing of it is here yet';
    return h('option', { value: `${number}/${deck.id}`, selected: number === state.peer && deck.id === state.deck }, state.home.peers.length > 1 ? `${title} on the ${peer.name}` : title);
  }));
  pick.closest('label').hidden = all.length < 2;
}

function head() {
  const { summary } = state;
  if (state.without) {
    state.without = null;
    byId('role').hidden = false;
    show();
  }
  document.title = `${summary.title} · Cuecard`;
  put(byId('title'), summary.title || 'A deck without a title');
  const { role } = summary;
  put(byId('role'), h('i', { class: 'dot' }), role.mine ? 'this device is editor' : role.editor ? `${role.editor.name} is editor${role.silent ? ', silent' : ''}` : 'nobody is editor', !summary.followed && ', not followed');
  const editor = summary.devices.findIndex((device) => device.id === role.editor?.id);
  byId('role').className = `chip ${editor >= 0 ? `lane-${(summary.devices[editor].lane ?? 0) % 8}` : ''}`;
  choices();
  countDrafts();
}

// As the system, unless a person said otherwise on this machine.

const THEMES = ['system', 'light', 'dark'];
const SIGNS = { system: 'M8 2.5a5.5 5.5 0 1 0 0 11z', light: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.4 1.4M11.6 11.6 13 13M3 13l1.4-1.4M11.6 4.4 13 3', dark: 'M12.5 10A5.5 5.5 0 0 1 6 3.5a5.5 5.5 0 1 0 6.5 6.5' };

function theme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem('cuecard-theme', name);
  put(byId('theme'), s('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, s('path', { d: SIGNS[name] })));
  byId('theme').setAttribute('aria-label', `Theme: ${name === 'system' ? 'as the system' : name}`);
}

const nextTheme = () => theme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);

function keys() {
  const dialog = byId('keys');
  put(dialog, h('form', { method: 'dialog' }, h('h2', { id: 'keys-title' }, 'Keys'), h('dl', {}, KEYS.map(([key, what]) => h('div', {}, h('dt', {}, h('kbd', {}, key)), h('dd', {}, what)))),
    h('h2', {}, 'Search'), h('p', {}, 'Words are looked for in cards, ops, devices and notes. ', h('code', {}, 'by:phone'), ' ', h('code', {}, 'op:card.text'), ' ', h('code', {}, 'term:3'), ' ', h('code', {}, 'is:draft'), ' ', h('code', {}, 'is:merge'), ' ', h('code', {}, 'is:late'), ' narrow it down; the first characters of a hash find an entry.'),
    h('button', { class: 'act first' }, 'Close')));
  dialog.showModal();
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input:not([type=range]):not([type=checkbox]), select, textarea, dialog')) return;
  if (state.without && !['t', '?'].includes(event.key)) return;
  const tab = TABS[Number(event.key) - 1];
  const does = {
    '/': () => byId('search').focus(), '[': () => timeline.by(-1), ']': () => timeline.by(1), n: timeline.toNow, t: nextTheme, '?': keys,
    h: () => { document.body.dataset.pane = 'history'; byId('lines').focus(); },
  }[event.key] ?? (tab && (() => byId(`tab-${tab[0]}`).click()));
  if (!does) return;
  event.preventDefault();
  does();
}

function walkTabs(event) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  event.preventDefault();
  const all = [...byId('tabs').children].filter((tab) => tab.offsetParent);
  const next = all[(all.indexOf(document.activeElement) + by + all.length) % all.length];
  next.focus();
  next.click();
}

async function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!token) return;
  // Out of the address before anything else: it is not to be copied with a link.
  history.replaceState(null, '', '/');
  await enter(token);
}

function closed(error) {
  const isLocked = error instanceof Refused && [401, 404].includes(error.status);
  put(document.body, h('main', { class: 'closed' }, h('img', { src: '/icon.svg', alt: '', width: 56, height: 56 }),
    h('h1', {}, isLocked ? 'Locked' : 'Not reached'), h('p', {}, isLocked ? 'Open the address that the command printed: it carries the key to this page.' : 'The command that serves this page does not answer. Is it still running?'), h('p', { class: 'dim' }, error.message)));
}

async function start() {
  try {
    await takeToken();
    state.home = await get('home');
  } catch (error) {
    closed(error);
    return;
  }
  theme(THEMES.includes(localStorage.getItem('cuecard-theme')) ? localStorage.getItem('cuecard-theme') : 'system');
  history_.start();
  timeline.start();
  on('summary', head);
  on('route', show);
  on('step', (view) => atStep?.(view));
  on('changed', () => { if (!['deck', 'live'].includes(document.body.dataset.tab)) unheld(show); });
  on('event', (event) => { if (['link', 'sync', 'present', 'play', 'audio'].includes(event?.kind) && document.body.dataset.tab === 'devices') unheld(show); });
  byId('theme').addEventListener('click', nextTheme);
  byId('help').addEventListener('click', keys);
  byId('pick').addEventListener('change', ({ target }) => {
    const [peer, deck] = target.value.split('/');
    go({ peer: Number(peer), deck, tab: 'deck', arg: '', at: null });
  });
  byId('tabs').addEventListener('keydown', walkTabs);
  addEventListener('keydown', press);
  addEventListener('popstate', follow);
  addEventListener('hashchange', follow);
  tabs();
  follow();
  await look();
  on('deck', look);
  on('home', look);
  if (state.selected) history_.reveal(state.selected);
  listen();
  stage.start();
  present.start();
  document.body.classList.add('ready');
}

start();
