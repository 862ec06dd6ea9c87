// Every place that several wrote at a time: all values, who wrote which, what shows and why.

import { h, put } from './dom.js';
import { cardLink, play } from './cards.js';
import { go, lane, ofDeck } from './state.js';
import { some, when } from './words.js';

const WHY = {
  number: 'It shows because more had been done to the deck where it was written: its operation has the higher number. All devices decide alike.',
  name: 'Both were written at the same height of the log, so the greater name of the writer decides: the same on all devices.',
};

function value({ what, by }, wins) {
  return h('li', { class: `value ${wins ? 'wins' : 'loses'} ${lane(by.device)}` },
    h('span', { class: `badge ${wins ? 'added' : ''}` }, wins ? '✓ shows' : 'kept beside'),
    h('span', { class: 'grow' }, what.audio ? play(what.audio) : h('q', {}, String(what.value))),
    h('span', { class: 'by' }, h('i', { class: 'dot' }), by.name, by.draft ? ' (draft)' : by.term !== null ? ` (term ${by.term})` : ''),
    h('a', { href: '#', onclick: (event) => { event.preventDefault(); go({ tab: 'entry', arg: by.entry }); } }, when(by.time)));
}

export async function showConflicts(host) {
  const told = await ofDeck('conflicts');
  const one = (conflict) => h('article', { class: 'conflict' },
    h('header', {}, h('h3', {}, conflict.place, conflict.name ? ` “${conflict.name}”` : '', conflict.card ? [' of ', cardLink(conflict.card, conflict.front || '(empty)')] : ' of the deck'), conflict.agreed && h('span', { class: 'badge' }, 'all wrote the same')),
    h('ul', {}, value(conflict.winner, true), conflict.others.map((other) => value(other, false))),
    h('p', { class: 'why' }, h('b', {}, 'Why? '), conflict.agreed ? 'All wrote the same, so it does not matter which shows.' : WHY[conflict.why]));
  put(host, h('div', { class: 'pad' },
    h('div', { class: 'view-head' }, h('h2', {}, 'Conflicts'), h('p', { class: 'dim' }, told.total ? `${some(told.total, 'place was', 'places were')} written by several at a time. Nothing has to be done: one value shows everywhere, the others stay until somebody writes there again.` : '')),
    told.total ? told.conflicts.map(one) : h('div', { class: 'empty' }, h('h3', {}, 'None'), h('p', {}, 'Nobody wrote to the same place at the same time. Texts are no conflict: they merge, letter by letter.'))));
}
