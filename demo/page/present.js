// Who is there, and what is played for everybody: what this page shows of its person to the others, and what it shows of them.

import { h, toast } from './dom.js';
import { cardLink } from './cards.js';
import { doOnDeck, known, on, post, state } from './state.js';
import { bytes, seconds, some } from './words.js';

let shown = null;

/** Tells the others which card is looked at. That nobody looks any more is noticed where this page is served. */
function show() {
  const now = { peer: state.peer, deck: state.deck, place: `${state.peer}/${state.deck}`, card: state.tab === 'card' ? state.arg : null };
  if (!known(now.peer, now.deck)?.here || (shown?.place === now.place && shown.card === now.card)) return;
  const before = shown;
  shown = now;
  const say = (place, given) => post(`${place}/presence`, given).catch(() => {});
  if (before && before.place !== now.place && known(before.peer, before.deck)) say(before.place, { gone: true });
  say(now.place, { card: now.card });
}

export function start() {
  on('route', show);
  on('summary', show);
  show();
}

const act = (given) => doOnDeck('play', given).catch((error) => toast(error.message));
const button = (what, words, id) => h('button', { type: 'button', class: 'act', id, onclick: () => act({ what }) }, words);

/** For whoever may: plays audio of a card on every device at a time. */
export const playForAll = (card, audio) => state.summary?.role.mine && audio.here
  && h('button', { type: 'button', class: 'act small for-all', onclick: () => act({ what: 'play', card: card.id, slot: audio.slot }), 'aria-label': `Play ${audio.name} for everybody` }, 'for everybody');

/** What somebody shows of themselves. */
export const looksAt = (other) => [
  other.card ? [other.is_typing ? 'writes on ' : 'looks at ', cardLink(other.card.id, other.card.front || '(empty)')] : 'is there',
  other.name !== other.device.name && `, as ${other.name}`,
];

/** What is played; its place goes on by itself until the next answer. */
export function played(playing, isEditor) {
  const section = (...parts) => h('section', { class: 'played' }, h('h3', {}, 'Played for everybody'), parts);
  if (!playing) return section(h('p', {}, 'Nothing.', isEditor && ' A card that has audio can be played on all devices at a time.'));
  const began = performance.now();
  const place = h('span', { class: 'place' });
  const meter = h('div', { class: 'meter', role: 'meter', 'aria-label': 'Place in what is played', 'aria-valuemin': 0, 'aria-valuemax': playing.length_ms ?? 0 });
  const tick = () => {
    const since = playing.is_playing ? Math.max(0, performance.now() - began - playing.starts_in_ms) : 0;
    const at = Math.min(playing.position_ms + since, playing.length_ms ?? Infinity);
    place.textContent = `${seconds(at)}${playing.length_ms ? ` of ${seconds(playing.length_ms)}` : ''}`;
    meter.setAttribute('aria-valuenow', String(Math.round(at)));
    meter.style.setProperty('--part', `${playing.length_ms ? (100 * at) / playing.length_ms : 0}%`);
    if (playing.is_playing && (meter.isConnected || performance.now() - began < 1000)) setTimeout(tick, 200);
  };
  tick();
  return section(
    h('p', {}, h('b', {}, playing.name), ' of ', cardLink(playing.card.id, playing.card.front || '(empty)'), playing.by && `, by ${playing.by.name}`, playing.is_playing ? ', at ' : ', stands still at ', place),
    meter,
    isEditor && h('div', { class: 'acts' }, playing.is_playing ? button('pause', 'Pause', 'all-pause') : button('go_on', 'Go on', 'all-go-on'), button('stop', 'Stop', 'all-stop')));
}

const part = (audio) => ({ '--part': `${audio.bytes ? (100 * audio.have) / audio.bytes : 100}%` });

/** The audio of this device: what is whole, what is coming and how fast. */
export function audioHere(audio) {
  const meter = (of, label) => h('div', { class: 'meter', role: 'meter', 'aria-valuemin': 0, 'aria-valuemax': of.bytes, 'aria-valuenow': of.have, 'aria-label': label, style: part(of) });
  const rate = (of) => of.rate > 0 && `, ${bytes(of.rate)}/s`;
  return h('section', { class: 'audio-here' }, h('h3', {}, 'Audio on this device'),
    h('p', {}, audio.total ? [`${audio.whole} of ${some(audio.total, 'piece')} whole, ${bytes(audio.have)} of ${bytes(audio.bytes)}`, rate(audio)] : 'Its decks name none.'),
    audio.total > 0 && meter(audio, 'Audio that is here'),
    audio.under_way.length > 0 && h('ul', { class: 'coming' }, audio.under_way.map((one) => h('li', {}, h('span', { class: 'grow' }, one.name), h('span', { class: 'dim' }, `${bytes(one.have)} of ${bytes(one.bytes)}`, rate(one), one.left_ms !== null && `, ${seconds(one.left_ms)} left`), meter(one, `How much of ${one.name} is here`)))));
}
