// The built-in demo: two devices and a cable. What is pressed here is done to two real engines.

import { LATEST_MS, byId, h, put, s, settled, toast, unheld } from './dom.js';
import { get, go, on, post, refreshSoon, state } from './state.js';
import { short, some } from './words.js';

let told = null;
let busy = false;
const done = { cut: false, both: new Set(), mended: false, accepted: false };
const typed = ['', ''];

async function act(what, given = {}) {
  if (busy) return;
  busy = true;
  paint();
  try {
    told = await post(`stage/${what}`, given);
    if (what === 'cut') done.cut = true;
    if (what === 'write' && told.cut) done.both.add(given.device);
    if (what === 'mend') done.mended = done.cut;
  } catch (error) {
    toast(error.message);
  }
  busy = false;
  paint();
  refreshSoon();
}

function cable() {
  const cut = told.cut;
  const wave = told.linked && !cut;
  return h('div', { class: `cable ${cut ? 'cut' : wave ? 'live' : 'joining'}` },
    s('svg', { viewBox: '0 0 120 48', 'aria-hidden': 'true' },
      cut
        ? [s('path', { d: 'M0 24h38c6 0 8 3 10 8' }), s('path', { d: 'M120 24H82c-6 0-8-3-10-8' }), s('path', { d: 'M55 12l-4-7M62 14l2-9M58 36l-2 8M66 34l5 6', class: 'spark' })]
        : [s('path', { d: 'M0 24h120' }), s('path', { d: 'M0 24h120', class: 'pulse' })]),
    h('button', { type: 'button', class: `act ${cut ? 'first' : ''}`, id: 'cable', disabled: busy, onclick: () => act(cut ? 'mend' : 'cut') }, cut ? 'Reconnect' : 'Cut the link'));
}

function side(device, number) {
  const isHere = state.peer === number;
  const input = h('input', { type: 'text', maxlength: 80, value: typed[number], placeholder: device.editor ? 'a new card' : 'a new card, as a draft', 'aria-label': `What to write on the ${device.name}`, oninput: (event) => { typed[number] = event.target.value; } });
  const write = (event) => {
    event.preventDefault();
    const text = input.value.trim();
    typed[number] = '';
    act('write', { device: number, text: text || null });
  };
  return h('article', { class: `station ${device.editor ? 'editor' : ''} ${isHere ? 'here' : ''}`, 'data-station': device.name },
    h('header', {}, s('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, number === 0 ? s('path', { d: 'M5 6h14v9H5zM2.5 18.5h19' }) : s('path', { d: 'M8 3h8v18H8zM11 18.5h2' })),
      h('h3', {}, device.name), h('span', { class: `badge ${device.editor ? 'head' : ''}` }, device.editor ? 'editor' : 'viewer'),
      h('button', { type: 'button', class: 'link', 'aria-pressed': String(isHere), onclick: () => go({ peer: number, deck: state.home.peers[number].decks[0]?.id, at: null }) }, isHere ? 'shown below' : 'show below')),
    h('p', { class: 'dim' }, some(device.cards, 'card'), ' · ', some(device.entries, 'entry', 'entries'), device.drafts > 0 && ` · ${some(device.drafts, 'draft')} waiting`, ' · head ', h('code', {}, short(device.head))),
    h('form', { onsubmit: write }, input, h('button', { type: 'submit', class: 'act', 'data-write': device.name, disabled: busy }, 'Write'),
      !device.editor && h('button', { type: 'button', class: 'link', disabled: busy, title: 'The editor hands the role over', onclick: () => act('hand_over', { device: number }) }, 'make editor')));
}

function says() {
  const [laptop, phone] = told.devices;
  if (told.cut) return told.linked ? 'The link is cut; neither has noticed yet.' : 'Cut. Both go on by themselves: write on either side.';
  if (!told.linked) return 'Mended. They are finding each other again…';
  if (!told.agree) return 'Linked, and catching up…';
  const waiting = phone.drafts + laptop.drafts;
  return waiting ? `Both have the same deck. ${some(waiting, 'draft waits', 'drafts wait')} for the editor’s word.` : 'Both have the same deck.';
}

function steps() {
  const list = [['Cut the link', done.cut], ['Write on both sides', done.both.size > 1], ['Reconnect', done.mended && told.linked && told.agree], ['Accept the draft', done.accepted]];
  const next = list.findIndex(([, is]) => !is);
  return h('ol', { class: 'steps' }, list.map(([words, is], number) => h('li', { class: is ? 'done' : number === next ? 'next' : '', 'aria-current': number === next ? 'step' : null }, words, is && h('span', { class: 'sr' }, ' (done)'))));
}

function paint() {
  const host = byId('stage');
  if (!told) return;
  const focus = document.activeElement?.closest('#stage') && document.activeElement;
  const place = focus && [...host.querySelectorAll('button, input')].indexOf(focus);
  host.hidden = false;
  put(host, h('div', { class: 'stations' }, side(told.devices[0], 0), cable(), side(told.devices[1], 1)),
    h('div', { class: 'says' }, h('p', { id: 'says', role: 'status', 'data-agree': String(told.agree), 'data-linked': String(told.linked) }, says()), steps()));
  if (focus) {
    const again = host.querySelectorAll('button, input')[place];
    again?.focus();
    if (again instanceof HTMLInputElement) again.setSelectionRange(again.value.length, again.value.length);
  }
}

const look = async () => {
  try {
    told = await get('stage');
    unheld(paint);
  } catch { /* the server is gone: the page says so elsewhere */ }
};
const lookSoon = settled(100, look, LATEST_MS);

export function start() {
  if (!state.home.stage) return;
  look();
  on('event', (event) => {
    if (event?.kind === 'draft' && event.words.endsWith('is part of the deck')) done.accepted = done.mended || done.accepted;
    lookSoon();
  });
  on('deck', paint);
}
