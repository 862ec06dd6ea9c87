// What happens, as it happens.

import { h, put } from './dom.js';
import { at, refreshHomeSoon, refreshSoon, state, tell } from './state.js';
import { clock, some } from './words.js';

const KEPT = 400;
const KINDS = ['change', 'deck', 'draft', 'role', 'late', 'link', 'sync', 'audio', 'present', 'play', 'member', 'trouble'];
const lines = [];
const off = new Set();
let paused = false;
let missed = 0;
let words = '';
let painted = null;

/** Listens, for as long as the page is open. */
export function listen() {
  const source = new EventSource(at('live'));
  source.onmessage = ({ data }) => {
    const line = JSON.parse(data);
    lines.push(line);
    if (lines.length > KEPT) lines.shift();
    // Decks come, go, and get other titles. What is gone is not to be asked for.
    const isOfDecks = ['deck', 'lagged'].includes(line.kind) || state.without || (line.kind === 'change' && line.deck !== state.deck);
    if (isOfDecks) refreshHomeSoon();
    else refreshSoon();
    tell('event', line);
    if (paused) missed += 1;
    paint();
  };
  source.onopen = () => { document.body.classList.remove('alone'); refreshHomeSoon(); tell('event'); };
  source.onerror = () => document.body.classList.add('alone');
}

const fits = (line) => !off.has(line.kind) && (!words || line.words.toLowerCase().includes(words));
const peer = (line) => state.home.peers[line.peer]?.name ?? '';

function paint(isNew = false) {
  if (!painted || !(isNew || painted.list.isConnected)) return;
  if (!paused) {
    const many = state.home.peers.length > 1;
    const all = lines.filter(fits).slice(-200).reverse();
    put(painted.list, all.map((line) => h('li', { class: `live-line ${line.kind}` }, h('time', { class: 'dim' }, clock(line.time)), h('span', { class: `badge kind-${line.kind}` }, line.kind), many && h('span', { class: 'dim' }, peer(line)), h('span', { class: 'grow' }, line.words))));
    if (!all.length) put(painted.list, h('li', { class: 'empty small' }, lines.length ? 'Nothing of that kind yet.' : 'Nothing has happened since this page was opened. Edit something.'));
  }
  put(painted.pause, paused ? `Go on${missed ? ` (${some(missed, 'event')} since)` : ''}` : 'Pause');
  painted.pause.setAttribute('aria-pressed', String(paused));
}

export function showLive(host) {
  const list = h('ul', { class: 'live', role: 'log', 'aria-label': 'Live log', 'aria-live': 'off', tabindex: 0 });
  const pause = h('button', { type: 'button', class: 'act', id: 'pause', onclick: () => { paused = !paused; missed = 0; paint(); } });
  const box = (kind) => h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: !off.has(kind), 'data-kind': kind, onchange: (event) => { if (event.target.checked) off.delete(kind); else off.add(kind); paint(); } }), h('span', {}, kind));
  const filter = h('input', { type: 'search', placeholder: 'Filter by words', 'aria-label': 'Filter the log by words', value: words, oninput: (event) => { words = event.target.value.trim().toLowerCase(); paint(); } });
  const view = h('div', { class: 'pad live-view' },
    h('div', { class: 'view-head' }, h('h2', {}, 'Live'), h('p', { class: 'dim' }, 'What the engine says, as it says it.'), h('div', { class: 'acts' }, pause, filter), h('fieldset', { class: 'checks' }, h('legend', { class: 'sr' }, 'Kinds of events'), KINDS.map(box))), list);
  put(host, view);
  painted = { list, pause };
  paint(true);
}
