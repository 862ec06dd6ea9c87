// The deck at the point that is looked at; and one card of it, with who wrote what.

import { h, painted, put, say } from './dom.js';
import { cardDiff, cardLink, play, tags } from './cards.js';
import { playForAll } from './present.js';
import { PAGE, Scroller } from './scroller.js';
import { deviceName, go, lane, ofDeck, state } from './state.js';
import { seen } from './timeline.js';
import { names, some, verb, when } from './words.js';

const ROW = 60;
const MARKS = { added: ['+', 'new'], changed: ['±', 'changed'] };

function row(card, number, marks, active) {
  const [sign, word] = MARKS[marks.get(card.id)] ?? [];
  const about = [card.front || '(empty)', card.back, word, card.tags.length && `tags ${card.tags.join(', ')}`, card.audio.length && 'with audio'];
  return h('div', { class: `row card ${marks.get(card.id) ?? ''}`, role: 'option', id: `card-${number}`, 'aria-selected': String(number === active), 'aria-label': about.filter(Boolean).join('; '), 'data-card': card.id, onclick: () => go({ tab: 'card', arg: card.id }) },
    h('span', { class: 'faces' }, h('span', { class: 'front' }, card.front || '(empty)'), h('span', { class: 'back' }, card.back)),
    h('span', { class: 'extras' }, word && h('span', { class: `badge ${marks.get(card.id)}` }, `${sign} ${word}`), tags(card.tags.slice(0, 3)), card.audio.slice(0, 1).map((audio) => { const button = play(audio, card.front); button.tabIndex = -1; return button; })));
}

/** Shows the deck; gives what to do when the slider moved. */
export function showDeck(host) {
  const title = h('h2', {});
  const about = h('p', { class: 'dim about' });
  const gone = h('div', { class: 'gone' });
  const list = h('div', { class: 'cards', role: 'listbox', tabindex: 0, 'aria-label': 'Cards: arrows go through them, Enter opens one, p plays its audio' });
  put(host, h('div', { class: 'deck-view' }, h('div', { class: 'view-head' }, title, about), gone, list));
  let marks = new Map();
  let active = -1;
  const ask = async (from, count) => {
    const given = await ofDeck('at', { step: state.step, from, count });
    return { total: given.total, items: given.cards };
  };
  const scroller = new Scroller({ host: list, row: ROW, ask, draw: (card, number) => row(card, number, marks, active), key: (card, number) => `${marks.get(card.id) ?? ''} ${number === active} ${JSON.stringify(card)}` });
  list.addEventListener('keydown', (event) => {
    const page = Math.max(1, scroller.seen() - 2);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -scroller.total, End: scroller.total }[event.key];
    const card = scroller.itemAt(active);
    if (by !== undefined) {
      active = Math.max(0, Math.min(scroller.total - 1, active + by));
      list.setAttribute('aria-activedescendant', `card-${active}`);
      scroller.reveal(active);
      scroller.paint();
    } else if (event.key === 'Enter' && card) go({ tab: 'card', arg: card.id });
    else if (event.key === 'p') list.querySelector(`#card-${active} .play`)?.click();
    else return;
    event.preventDefault();
  });
  scroller.onpaint = (first, last) => {
    // Which step it is that stands there, for whoever measures it.
    list.dataset.step = String(seen()?.step ?? '');
    if (last) painted('deck-painted');
  };
  const update = async (view) => {
    if (!view) return;
    say(title, view.title || 'A deck without a title');
    const unmarked = state.step !== null && view.diff.total > view.diff.cards.length ? `; this step touched ${some(view.diff.total, 'card')}, and ${view.diff.cards.length} of them are marked` : '';
    say(about, `${some(view.total, 'card')}${state.step === null ? ' now' : ' at this point'}${unmarked}`);
    marks = new Map(state.step === null ? [] : view.diff.cards.filter((change) => change.after).map((change) => [change.after.id, change.kind]));
    const ghosts = state.step === null ? [] : view.diff.cards.filter((change) => change.kind === 'removed');
    if (ghosts.length || gone.firstChild) put(gone, ghosts.map(cardDiff));
    // Cards came with the answer: the first, or those around what the step touched.
    const first = view.marked.find(([, place]) => place !== null && place !== undefined);
    scroller.total = view.total;
    if (state.step !== null && first) scroller.reveal(first[1]);
    if (scroller.covers(view.from, view.cards.length)) {
      scroller.replace(view.from, { total: view.total, items: view.cards });
      scroller.paint();
    } else await scroller.renew();
  };
  update(seen());
  return update;
}

const by = (origin) => h('span', { class: `by ${lane(origin.device)}` }, h('i', { class: 'dot' }), origin.name, origin.draft ? ' (draft)' : origin.term !== null ? ` (term ${origin.term})` : '', ', ', h('a', { href: '#', onclick: (event) => { event.preventDefault(); go({ tab: 'entry', arg: origin.entry }); } }, when(origin.time)));

function blamed(runs) {
  return runs.map(([text, origin]) => h('button', { type: 'button', class: `run ${lane(origin.device)}`, title: `${origin.name}, ${when(origin.time)}`, 'aria-label': `“${text}”, by ${origin.name}, ${when(origin.time)}: open the entry`, onclick: () => go({ tab: 'entry', arg: origin.entry }) }, text));
}

export async function showCard(host, id) {
  const told = await ofDeck(`card/${encodeURIComponent(id)}`, { step: state.step });
  const { card, blame } = told;
  const origins = (list, name) => list.map(([key, origin]) => h('div', { class: 'field' }, h('span', { class: 'name' }, `${name} ${key}`), h('span', { class: 'text' }, by(origin))));
  put(host, h('div', { class: 'pad card-view' },
    h('div', { class: 'view-head' }, h('p', { class: 'over' }, 'Card'), h('h2', {}, card.front || '(empty)'),
      told.deleted && h('span', { class: 'badge removed' }, '− deleted'), h('p', { class: 'back-text' }, card.back), h('p', { class: 'extras' }, tags(card.tags), card.audio.map((audio) => [play(audio, card.front), playForAll(card, audio)]))),
    blame && h('section', {}, h('h3', {}, 'Who wrote what'),
      h('div', { class: 'fields' },
        blame.texts.map(([name, runs]) => h('div', { class: 'field' }, h('span', { class: 'name' }, name), h('span', { class: 'text blamed' }, blamed(runs)))),
        h('div', { class: 'field' }, h('span', { class: 'name' }, 'added'), h('span', { class: 'text' }, by(blame.added))),
        blame.deleted && h('div', { class: 'field' }, h('span', { class: 'name' }, 'deleted'), h('span', { class: 'text' }, by(blame.deleted))),
        blame.position && h('div', { class: 'field' }, h('span', { class: 'name' }, 'place'), h('span', { class: 'text' }, by(blame.position))),
        origins(blame.tags, 'tag'), origins(blame.audio, 'audio'), origins(blame.fields, 'field'))),
    h('section', {}, h('h3', {}, 'Its history'), h('ul', { class: 'mini' }, told.entries.map(entryLine)), told.more > 0 && h('p', { class: 'dim' }, `and ${told.more} more`))));
}

/** An entry in a line, to be opened. */
export const entryLine = (entry) => h('li', {},
  h('a', { class: `mini-line ${lane(entry.device)}`, href: '#', 'data-hash': entry.hash, onclick: (event) => { event.preventDefault(); go({ tab: 'entry', arg: entry.hash }); } },
    h('i', { class: `dot ${entry.kind}` }), h('span', { class: 'grow' }, h('b', {}, verb(entry.op)), ' ', names(entry.about)), h('span', { class: 'dim' }, deviceName(entry.device)), h('time', { class: 'dim' }, when(entry.time))));
