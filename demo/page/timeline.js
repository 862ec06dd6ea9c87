// The slider over heads: the deck at every step of its past, and the way back to now.

import { byId, h, put, s, settled } from './dom.js';
import { deviceName, go, here, lane, ofDeck, on, state, tell } from './state.js';
import { PAGE } from './scroller.js';
import { names, short, verb, when, whole } from './words.js';

/** Rows on both sides of what a step touched that come with it: more than half of what most screens show. */
const AROUND = 24;
/** The address follows when one stands still: browsers take few changes of it, and each holds the page up. */
const ADDRESS_AFTER_MS = 150;

const parts = {};
let view = null;
let asked = null;
let next = null;
let playing = 0;
/** Where one is on the way to. */
let goal = null;

/** The deck at the step that is looked at, as it was last answered. */
export const seen = () => view;

const newest = () => Math.max(0, (state.summary?.entries ?? 1) - 1);

/** Reads the step that is wanted. One question at a time: while one is under way only the latest wish waits. */
async function read() {
  if (asked) return;
  while (next !== null) {
    const step = next;
    next = null;
    const where = here('');
    asked = ofDeck('at', { step: step.now ? null : step.step, hash: step.hash, from: 0, count: PAGE, around: step.now ? null : AROUND });
    try {
      const answer = await asked;
      if (where === here('')) show(answer, step.now);
    } catch (error) {
      put(parts.told, error.message);
    }
    asked = null;
  }
}

function want(step) {
  next = step;
  return read();
}

function show(answer, isNow) {
  view = answer;
  state.step = isNow || answer.now ? null : answer.step;
  const { entry } = answer;
  if (Number(parts.range.max) !== answer.steps - 1) parts.range.max = answer.steps - 1;
  if (Number(parts.range.value) !== answer.step) parts.range.value = answer.step;
  parts.range.style.setProperty('--at', `${answer.steps > 1 ? (100 * answer.step) / (answer.steps - 1) : 100}%`);
  const place = `step ${whole(answer.step + 1)} of ${whole(answer.steps)}`;
  const told = entry ? `${verb(entry.op)} ${names(entry.about)}, by ${deviceName(entry.device)}, ${when(entry.time)}` : '';
  parts.range.setAttribute('aria-valuetext', `${place}: ${told}`);
  document.body.classList.toggle('past', state.step !== null);
  const heads = answer.heads.map((head) =>
    h('button', { type: 'button', class: `head-chip ${lane(head.device)}`, title: 'Open this entry', onclick: () => go({ tab: 'entry', arg: head.hash }) },
      h('i', { class: 'dot' }), short(head.hash)));
  put(parts.told,
    h('b', {}, state.step === null ? 'Now' : 'The past'), h('span', { class: 'dim' }, place),
    h('span', { class: 'heads' }, answer.heads.length > 1 ? `${answer.heads.length} heads ` : 'head ', heads),
    h('span', { class: 'last' }, told));
  parts.now.hidden = state.step === null;
  tell('step', answer);
}

/** Goes to a step; the address says where. */
export async function to(step) {
  const bounded = Math.max(0, Math.min(newest(), step));
  goal = bounded;
  await want(bounded === newest() ? { now: true } : { step: bounded });
  if (goal === bounded && !asked) goal = null;
  remember();
}

function remember() {
  state.at = state.step === null ? null : view?.entry?.hash ?? null;
  toAddress();
}

const toAddress = settled(ADDRESS_AFTER_MS, () => history.replaceState(null, '', addressAt()));

function addressAt() {
  const [path] = location.hash.split('?');
  return `${path || '#/'}${state.at ? `?at=${state.at}` : ''}`;
}

export async function toHash(hash) {
  await want({ hash });
  remember();
}

/** So many steps on: from where one is on the way to, if the answer has not come yet. */
export const by = (steps) => to((goal ?? state.step ?? newest()) + steps);

export function toNow() {
  stop();
  return to(newest());
}

function stop() {
  clearTimeout(playing);
  playing = 0;
  parts.play.classList.remove('on');
  parts.play.setAttribute('aria-label', 'Play the history');
}

async function play() {
  if (playing) {
    stop();
    return;
  }
  parts.play.classList.add('on');
  parts.play.setAttribute('aria-label', 'Stop');
  if (state.step === null) await to(0);
  const wait = Math.max(60, Math.min(600, 12000 / Math.max(1, newest())));
  const on = async () => {
    await by(1);
    if (!playing) return;
    if (state.step === null) stop();
    else playing = setTimeout(on, wait);
  };
  playing = setTimeout(on, wait);
}

function ribbon() {
  const given = state.summary?.ribbon ?? [];
  const bars = given.map(([device, merges, drafted], part) => [
    s('rect', { x: part, y: drafted ? 5 : 2, width: 1.02, height: drafted ? 4 : 7, class: lane(device) }),
    merges && s('rect', { x: part + 0.5 - given.length / 700, y: 0, width: given.length / 350, height: 11, class: 'merges' }),
  ].filter(Boolean));
  put(parts.ribbon, s('svg', { viewBox: `0 0 ${Math.max(1, given.length)} 11`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, bars.flat()));
}

const icon = (d) => s('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, s('path', { d }));

export function start() {
  parts.told = h('div', { class: 'told' });
  parts.ribbon = h('div', { class: 'ribbon' });
  parts.range = h('input', { type: 'range', id: 'slider', min: 0, max: 0, step: 1, value: 0, 'aria-label': 'Step of the history' });
  parts.now = h('button', { type: 'button', id: 'now', class: 'now', hidden: true, onclick: toNow }, 'Back to now', icon('M3 8h8M8 4.5 11.5 8 8 11.5M13.5 3v10'));
  parts.play = h('button', { type: 'button', class: 'icon play-all', 'aria-label': 'Play the history', onclick: play }, icon('M5 3.5v9l7-4.5z'));
  const back = h('button', { type: 'button', class: 'icon', 'aria-label': 'One step back', onclick: () => by(-1) }, icon('M10 3.5 5.5 8l4.5 4.5'));
  const forth = h('button', { type: 'button', class: 'icon', 'aria-label': 'One step forward', onclick: () => by(1) }, icon('M6 3.5 10.5 8 6 12.5'));
  parts.range.addEventListener('input', () => { stop(); to(Number(parts.range.value)); });
  put(byId('timeline'), parts.told, h('div', { class: 'slide' }, parts.play, back, h('div', { class: 'track' }, parts.ribbon, parts.range), forth, parts.now));
  on('changed', () => (state.at ? toHash(state.at) : want({ now: true })));
  on('summary', ribbon);
  on('at', () => (state.at ? toHash(state.at) : want({ now: true })));
  on('deck', () => { view = null; state.step = null; goal = null; });
}
