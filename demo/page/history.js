// The list of what happened, with its graph: the way into everything else.

import { byId, h, painted, put, settled, unheld } from './dom.js';
import { LANE, ROW, drawing, sample, width } from './graph.js';
import { Scroller } from './scroller.js';
import { deviceName, go, lane, ofDeck, on, state } from './state.js';
import { KINDS, clock, day, names, some, term, verb, when, whole } from './words.js';

let scroller;
let edges = new Map();
let lanes = 1;
let cursor = 0;

const wish = () => ({ q: state.search, group: state.group, full: state.full });

async function ask(from, count) {
  if (state.without) return { total: 0, items: [] };
  const answer = await ofDeck('rows', { ...wish(), from, count });
  if (answer.version !== ask.version || ask.wish !== JSON.stringify(wish())) edges = new Map();
  ask.version = answer.version;
  ask.wish = JSON.stringify(wish());
  for (const edge of answer.edges) edges.set(edge.slice(0, 5).join(), edge);
  lanes = answer.lanes;
  byId('lines').style.setProperty('--graph', `${Math.min(width(lanes), 16 + 8 * LANE)}px`);
  const all = `${whole(answer.entries)} entries`;
  const found = some(answer.total, 'row');
  put(byId('count'), state.search ? `${found} found in ${all}` : all);
  return { total: answer.total, items: answer.lines };
}

function heading(item) {
  const title = item.heading === 'author' ? deviceName(item.device) : day(item.to);
  const span = item.heading === 'author' ? '' : `${clock(item.from)} – ${clock(item.to)}`;
  return h('div', { class: `row heading ${lane(item.device)}`, role: 'presentation' },
    h('b', {}, title), h('span', { class: 'dim' }, [span, some(item.entries, 'entry', 'entries')].filter(Boolean).join(' · ')));
}

const badge = (text, kind, title) => h('span', { class: `badge ${kind}`, title }, text);

/** What of the page, and not of the entry alone, a row shows. */
const stands = (item) => ({
  isSelected: state.selected === item.hash,
  after: state.step !== null && item.oldest > state.step,
  isHere: state.step !== null && item.oldest <= state.step && item.step >= state.step,
});

function key(item) {
  const { isSelected, after, isHere } = stands(item);
  return `${isSelected} ${after} ${isHere} ${scroller.total} ${told(item.device)} ${JSON.stringify(item)}`;
}

const told = (device) => `${deviceName(device)} ${lane(device)}`;

function row(item, number) {
  if (item.heading) return heading(item);
  const { isSelected, after, isHere } = stands(item);
  const who = deviceName(item.device);
  const what = `${verb(item.op)} ${names(item.about)}`;
  const chapter = item.kind === 'beginning' ? '' : item.kind === 'draft' ? 'draft' : term(item.terms);
  const badges = [
    item.head && badge('head', 'head', 'The newest entry'),
    item.kind === 'merge' && badge('merge', 'merge', 'Joins two lines'),
    item.kind === 'late' && badge('late', 'late', 'Came back after its term was over'),
    isHere && badge('you are here', 'here', 'The slider stands here'),
  ];
  return h('div', {
    class: `row entry ${item.kind} ${lane(item.device)} ${after ? 'after' : ''} ${isHere ? 'is-here' : ''}`,
    role: 'option', id: `line-${number}`, 'aria-selected': String(isSelected), 'data-hash': item.hash,
    'data-op': item.op, 'data-step': item.step, 'aria-posinset': number + 1, 'aria-setsize': scroller?.total,
    'aria-label': `${after ? 'after the slider: ' : ''}${what}${item.count > 1 ? `, ${item.count} entries` : ''}, by ${who}, ${chapter || KINDS[item.kind]}, ${when(item.time)}${item.head ? ', head' : ''}${item.kind === 'merge' ? ', merge' : ''}`,
    title: item.op,
    onclick: () => choose(number),
  },
  h('span', { class: 'what' },
    h('span', { class: 'verb' }, verb(item.op)), ' ', h('span', { class: 'about' }, names(item.about)),
    item.count > 1 && h('span', { class: 'times' }, `×${whole(item.count)}`), badges),
  h('span', { class: 'who' }, h('i', { class: 'dot' }), who),
  h('span', { class: 'term' }, chapter),
  h('time', { class: 'time', title: when(item.time) }, clock(item.time)));
}

function under(first, last) {
  // Rows that are out of their order have marks, and no lines.
  const isWhole = !state.search && state.group !== 'author';
  return drawing({ first, last, lanes, edges: isWhole ? [...edges.values()] : [], itemAt: (number) => scroller.itemAt(number) });
}

function choose(number, show = true) {
  const item = scroller.itemAt(number);
  if (!item || !item.hash) return;
  cursor = number;
  state.selected = item.hash;
  byId('lines').setAttribute('aria-activedescendant', `line-${number}`);
  if (show) {
    go({ tab: 'entry', arg: item.hash });
    document.body.dataset.pane = 'panel';
  }
  scroller.paint();
}

function move(by) {
  let next = cursor + by;
  next = Math.max(0, Math.min(scroller.total - 1, next));
  while (scroller.itemAt(next)?.heading && next > 0 && next < scroller.total - 1) next += Math.sign(by) || 1;
  scroller.reveal(next);
  if (scroller.itemAt(next)) {
    cursor = next;
    state.selected = scroller.itemAt(next).hash ?? state.selected;
    byId('lines').setAttribute('aria-activedescendant', `line-${next}`);
    scroller.paint();
    openSoon();
  }
}

const openSoon = settled(90, () => state.selected && go({ tab: 'entry', arg: state.selected }));

/** Puts an entry in sight. */
export async function reveal(hash) {
  if (!hash) return;
  const found = await ofDeck('find', { hash, ...wish() }).catch(() => null);
  if (found?.line === null || found?.line === undefined) return;
  cursor = found.line;
  scroller.reveal(found.line, true);
  byId('lines').setAttribute('aria-activedescendant', `line-${found.line}`);
}

function legend() {
  const devices = (state.summary?.devices ?? []).map((device, number) => ({ device, number }))
    .filter(({ device }) => device.lane !== null).sort((a, b) => a.device.lane - b.device.lane);
  put(byId('legend'),
    devices.slice(0, 8).map(({ device, number }) =>
      h('li', { class: lane(number) }, h('i', { class: 'dot' }), device.name, device.me && h('span', { class: 'dim' }, '\u00a0(here)'))),
    [['edit', 'edit'], ['draft', 'draft'], ['merge', 'merge'], ['late', 'late work'], ['beginning', 'beginning']].map(([kind, word]) =>
      h('li', { class: 'mark' }, sample(kind), word)));
}

/** What waits: not in the graph, as it is not in the deck; a hollow mark above it, with the way to it. */
function beside() {
  const { beside: drafts = [], late = [], drafts: waiting = 0 } = state.summary ?? {};
  const one = (kind, device, words, arg) => h('li', {}, h('button', { type: 'button', class: `waits ${lane(device)}`, onclick: () => { document.body.dataset.pane = 'panel'; go({ tab: 'drafts', arg }); } }, h('i', { class: `dot ${kind}` }), words));
  put(byId('beside'),
    drafts.map((draft) => one('draft', draft.device, [h('b', {}, draft.note || 'a draft'), ` by ${draft.author.name} waits beside the deck`], draft.id)),
    waiting > drafts.length && one('draft', null, `${waiting - drafts.length} drafts more`, ''),
    late.slice(0, 2).map((work) => one('late', state.summary.devices.findIndex((device) => device.id === work.author.id), [h('b', {}, 'late work'), ` by ${work.author.name}, ${some(work.changes, 'change')}, waits`], '')));
}

export function start() {
  const host = byId('lines');
  scroller = new Scroller({ host, row: ROW, ask, draw: row, key, under });
  scroller.onpaint = (first, last) => last && painted('history-painted');
  host.addEventListener('keydown', (event) => {
    const page = Math.max(1, scroller.seen() - 2);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      move(Math.max(-scroller.total, Math.min(scroller.total, by)));
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      choose(cursor);
      byId('view').focus();
    }
  });
  byId('search').addEventListener('input', settled(150, () => {
    state.search = byId('search').value.trim();
    scroller.scroll(0);
    scroller.renew();
  }));
  byId('group').addEventListener('change', (event) => {
    state.group = event.target.value;
    scroller.scroll(0);
    scroller.renew();
  });
  byId('joined').addEventListener('change', async (event) => {
    state.full = !event.target.checked;
    await scroller.renew();
    reveal(state.selected);
  });
  document.querySelector('.search').addEventListener('submit', (event) => {
    event.preventDefault();
    host.focus();
  });
  on('changed', () => scroller.renew());
  on('summary', legend);
  on('summary', () => unheld(beside));
  on('deck', () => { scroller.scroll(0); cursor = 0; });
  on('step', () => unheld(scroller.repaintRows));
  on('route', () => scroller.paint());
}
