// Any two points, side by side: what became of the cards between them.

import { h, put } from './dom.js';
import { diff, tally } from './cards.js';
import { deviceName, go, lane, ofDeck, state } from './state.js';
import { seen } from './timeline.js';
import { names, short, verb, when } from './words.js';

function point(side, entry, hash, other) {
  const here = seen()?.entry?.hash;
  const arg = (hash) => (side === 'A' ? `${hash}..${other}` : `${other}..${hash}`);
  const choose = (hash, words) => hash && h('button', { type: 'button', class: 'act small', onclick: () => go({ tab: 'compare', arg: arg(hash) }) }, words);
  return h('div', { class: `point ${entry ? lane(entry.device) : ''}`, 'data-side': side },
    h('b', { class: 'side' }, side), h('div', { class: 'grow' },
      entry ? [h('p', {}, h('b', {}, verb(entry.op)), ' ', names(entry.about)), h('p', { class: 'dim' }, h('i', { class: 'dot' }), deviceName(entry.device), ', ', when(entry.time), ' ', h('code', {}, short(hash)))] : h('p', { class: 'dim' }, 'not chosen'),
      h('div', { class: 'acts' }, choose(here, 'the slider’s point'), choose(state.selected, 'the chosen entry'), choose(state.summary?.head, 'now'))));
}

export async function showCompare(host, arg) {
  let [a, b] = (arg ?? '').split('..');
  b ||= state.summary?.head;
  a ||= state.a ?? state.selected ?? seen()?.entry?.hash ?? b;
  const told = await ofDeck('compare', { a, b });
  put(host, h('div', { class: 'pad compare-view' },
    h('div', { class: 'view-head' }, h('h2', {}, 'Compare'), h('p', { class: 'dim' }, 'From A to B: the deck as it was when each was its newest entry.')),
    h('div', { class: 'points' }, point('A', told.a, a, b),
      h('button', { type: 'button', class: 'icon swap', 'aria-label': 'Swap A and B', onclick: () => go({ tab: 'compare', arg: `${b}..${a}` }) }, '⇄'),
      point('B', told.b, b, a)),
    h('section', { class: 'changes' }, h('h3', {}, 'From A to B ', tally(told.diff)), diff(told.diff, told.deck, 'Between these two, no card differs.'))));
}
