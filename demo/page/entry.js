// One entry: what it did, who did it, on what it stands.

import { h, put, toast } from './dom.js';
import { diff, tally } from './cards.js';
import { entryLine } from './deck.js';
import { deviceName, go, lane, link, ofDeck, state } from './state.js';
import { toHash } from './timeline.js';
import { KINDS, names, short, some, verb, when } from './words.js';

const fact = (name, ...value) => h('div', {}, h('dt', {}, name), h('dd', {}, value));

const noteWords = (note) => [h('code', {}, note.op), ' ', note.front ?? '', note.field && note.op === 'card.text' ? ` (${note.field})` : note.field ? ` “${note.field}”` : '', note.slot ? ` in ${note.slot}` : '', note.reason ? ` because “${note.reason}”` : ''];

export async function showEntry(host, hash) {
  if (!hash) {
    put(host, h('div', { class: 'empty' }, h('h2', {}, 'No entry is chosen'), h('p', {}, 'Choose one in the history, with a click or the arrow keys.')));
    return;
  }
  const entry = await ofDeck(`entry/${hash}`);
  const what = entry.run.length ? 'This entry' : 'It';
  const before = entry.upon[0];
  const marks = {
    merge: 'It joins two lines: what is shown is all that came with the other one.',
    late: 'Late work: written in a term that was over, and accepted later. Nothing of it was lost.',
    draft: 'Part of a draft: written beside the deck, accepted later.',
    beginning: 'How the deck began.',
  };
  put(host, h('div', { class: `pad entry-view ${lane(entry.device)}` },
    h('div', { class: 'view-head' },
      h('p', { class: 'over' }, h('i', { class: `dot ${entry.kind}` }), KINDS[entry.kind], entry.late && entry.kind !== 'late' ? ' · late work' : ''),
      h('h2', {}, verb(entry.op), ' ', h('span', { class: 'about' }, entry.beginning ? 'the deck' : names(entry.about))),
      marks[entry.kind] && h('p', { class: 'dim' }, marks[entry.kind]),
      h('div', { class: 'acts' },
        h('button', { type: 'button', class: 'act first', id: 'look-here', onclick: () => { go({ tab: 'deck', arg: '' }); toHash(entry.hash); } }, 'See the deck here'),
        before && h('button', { type: 'button', class: 'act', onclick: () => go({ tab: 'compare', arg: `${entry.hash}..${state.summary.head}` }) }, 'Compare with now'),
        h('button', { type: 'button', class: 'act', onclick: () => { state.a = entry.hash; toast('Now choose the other point, and “Compare with the mark”.'); showEntry(host, hash); } }, state.a === entry.hash ? 'Marked ✓' : 'Mark to compare'),
        state.a && state.a !== entry.hash && h('button', { type: 'button', class: 'act', onclick: () => go({ tab: 'compare', arg: `${state.a}..${entry.hash}` }) }, `Compare with the mark ${short(state.a)}`),
        h('button', { type: 'button', class: 'act', onclick: () => copy(new URL(link({ tab: 'entry', arg: entry.hash, at: null }), location).href) }, 'Copy link'))),
    h('section', { class: 'changes' }, h('h3', {}, 'What it did ', tally(entry.diff)), diff(entry.diff, entry.deck, `${what} changed no card.`)),
    h('section', {}, h('h3', {}, 'What it is'),
      h('dl', { class: 'facts' },
        fact('Op', h('code', {}, entry.op)),
        fact('Author', h('span', { class: 'by' }, h('i', { class: 'dot' }), entry.name)),
        entry.term && fact('Term', `${entry.term.number}`, h('code', { class: 'dim' }, short(entry.term.id)), ` number ${entry.seq} of it`),
        entry.draft && fact('Draft', h('a', { href: '#', onclick: (event) => { event.preventDefault(); go({ tab: 'drafts', arg: entry.draft.id }); } }, entry.draft.note || short(entry.draft.id)), ` number ${entry.seq} of it`),
        fact('Time', when(entry.time), h('span', { class: 'dim' }, ' by its author’s clock')),
        entry.safe && fact('Safe', [entry.safe.here ? 'on this device' : 'not yet on this device', ...entry.safe.with.map((device) => device.name)].join(', ')),
        entry.reverses && fact('Takes back', h('a', { href: '#', onclick: (event) => { event.preventDefault(); go({ tab: 'entry', arg: entry.reverses }); } }, short(entry.reverses))),
        fact('Hash', h('code', { class: 'hash' }, entry.hash)),
        entry.notes.length > 0 && fact('Notes', h('ul', { class: 'notes' }, entry.notes.map((note) => h('li', {}, noteWords(note)))), entry.noted > entry.notes.length && some(entry.noted - entry.notes.length, 'more', 'more')))),
    h('section', {}, h('h3', {}, 'Made upon'), entry.upon.length ? h('ul', { class: 'mini', id: 'upon' }, entry.upon.map(entryLine)) : h('p', { class: 'dim' }, 'Nothing: it is the first.')),
    entry.leads_to.length > 0 && h('section', {}, h('h3', {}, 'What was made upon it'), h('ul', { class: 'mini' }, entry.leads_to.map(entryLine))),
    entry.run.length > 1 && h('section', {}, h('details', { class: 'run-list' }, h('summary', {}, `Part of a run of ${entry.run.length} by ${deviceName(entry.device)}`), h('ul', { class: 'mini' }, entry.run.map(entryLine))))));
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast('The link is copied.');
  } catch {
    toast(text);
  }
}
