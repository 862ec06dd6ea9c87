// Cards: as they are, and as they differ. Green is new, a ghost is gone; a sign and a word say the same.

import { h, s } from './dom.js';
import { audioAddress, go, link } from './state.js';
import { textDiff } from './textdiff.js';
import { bytes, seconds } from './words.js';

const player = new Audio();
let playing = null;

player.addEventListener('timeupdate', () => playing?.style.setProperty('--played', `${player.duration ? (100 * player.currentTime) / player.duration : 0}%`));
for (const end of ['ended', 'pause', 'error']) player.addEventListener(end, rest);

function rest() {
  if (!playing) return;
  playing.classList.remove('on');
  playing.setAttribute('aria-pressed', 'false');
  playing.dataset.played = String(player.currentTime);
  playing = null;
}

async function toggle(button, audio) {
  const was = playing;
  player.pause();
  rest();
  if (was === button) return;
  player.src = audioAddress(audio);
  playing = button;
  button.classList.add('on');
  button.setAttribute('aria-pressed', 'true');
  try {
    await player.play();
  } catch {
    button.classList.add('failed');
    rest();
  }
}

/** A button that plays. */
export function play(audio, of = '') {
  if (!audio.here) {
    return h('span', { class: 'play absent', title: 'Its bytes have not arrived on this device, or are no longer kept' }, '♪ ', audio.name, ' ', h('small', {}, 'not here'));
  }
  return h('button', {
    type: 'button', class: 'play', 'aria-pressed': 'false', 'aria-label': `Play ${audio.name}${of ? ` of ${of}` : ''}, ${seconds(audio.ms)}`,
    title: `${audio.mime}, ${bytes(audio.bytes)}`,
    onclick: (event) => { event.stopPropagation(); toggle(event.currentTarget, audio); },
  }, s('svg', { viewBox: '0 0 12 12', 'aria-hidden': 'true' }, s('path', { d: 'M3 2v8l7-4z', class: 'go' }), s('path', { d: 'M3 2h2v8H3zM7 2h2v8H7z', class: 'wait' })), h('span', {}, audio.name), h('small', {}, seconds(audio.ms)));
}

export const tags = (list) => list.map((tag) => h('span', { class: 'tag' }, tag));

/** Opens a card by itself. */
export const cardLink = (id, text) =>
  h('a', { class: 'card-link', href: link({ tab: 'card', arg: id }), onclick: (event) => { event.preventDefault(); go({ tab: 'card', arg: id }); } }, text);

const pieces = (list) => list.map(([kind, text]) =>
  kind === 'same' ? text : h(kind === 'new' ? 'ins' : 'del', { 'aria-label': `${kind}: ${text}` }, text));

function field(name, before, after) {
  if (before === after && !after) return null;
  const changed = before !== after;
  return h('div', { class: `field ${changed ? 'changed' : ''}` }, h('span', { class: 'name' }, name),
    h('span', { class: 'text' }, changed ? pieces(textDiff(before ?? '', after ?? '')) : after));
}

const byName = (pairs) => new Map((pairs ?? []).map(([name, value]) => [name, String(value)]));

function listed(before, after, name, ofBefore, ofAfter) {
  const names = [...new Set([...ofBefore.keys(), ...ofAfter.keys()])];
  return names.map((key) => field(name ? `${name} ${key}` : key, ofBefore.get(key) ?? '', ofAfter.get(key) ?? ''));
}

function sounds(before, after, title) {
  const [old, now] = [before?.audio ?? [], after?.audio ?? []];
  const slots = [...new Set([...old, ...now].map((audio) => audio.slot))];
  return slots.map((slot) => {
    const [was, is] = [old.find((audio) => audio.slot === slot), now.find((audio) => audio.slot === slot)];
    const same = was && is && was.blob === is.blob;
    return h('div', { class: `field sound ${same ? '' : 'changed'}` }, h('span', { class: 'name' }, slot),
      h('span', { class: 'text' },
        was && !same && h('span', { class: 'was' }, h('b', { class: 'sign' }, '−'), h('span', { class: 'sr' }, 'before: '), play(was, title)),
        is && h('span', { class: same ? '' : 'is' }, !same && [h('b', { class: 'sign' }, '+'), h('span', { class: 'sr' }, 'after: ')], play(is, title))));
  });
}

function tagged(before, after) {
  const [old, now] = [before?.tags ?? [], after?.tags ?? []];
  const all = [...new Set([...old, ...now])].sort();
  if (!all.length) return null;
  return h('div', { class: 'field' }, h('span', { class: 'name' }, 'tags'), h('span', { class: 'text' }, all.map((tag) => {
    const [was, is] = [old.includes(tag), now.includes(tag)];
    if (was && is) return h('span', { class: 'tag' }, tag);
    return is ? h('ins', { class: 'tag' }, `+ ${tag}`) : h('del', { class: 'tag' }, `− ${tag}`);
  })));
}

const MARKS = { added: ['+', 'New'], removed: ['−', 'Gone'], changed: ['±', 'Changed'] };

/** One card that differs. */
export function cardDiff(change) {
  const { before, after, kind } = change;
  const card = after ?? before;
  const [sign, word] = MARKS[kind];
  // A card that came or went is told as it is; one that stayed, part by part.
  const [old, now] = kind === 'changed' ? [before, after] : [card, card];
  return h('article', { class: `card-diff ${kind}`, 'data-card': card.id },
    h('header', {}, h('b', { class: 'sign', 'aria-hidden': 'true' }, sign), h('span', { class: 'kind' }, word),
      cardLink(card.id, card.front || '(empty)'), change.moved && h('span', { class: 'badge' }, '↕ moved')),
    h('div', { class: 'fields' },
      field('front', old.front, now.front), field('back', old.back, now.back),
      listed(old, now, '', byName(old.texts), byName(now.texts)), tagged(old, now),
      sounds(kind === 'added' ? null : before, kind === 'removed' ? null : after, card.front),
      listed(old, now, 'field', byName(old.fields), byName(now.fields))));
}

/** All that differs between two points. */
export function diff(given, deck, nothing = 'No card differs.') {
  const parts = [];
  if (deck) {
    parts.push(h('article', { class: 'card-diff changed' }, h('header', {}, h('b', { class: 'sign', 'aria-hidden': 'true' }, '±'), h('span', { class: 'kind' }, 'The deck')),
      h('div', { class: 'fields' }, field('title', deck.before.title, deck.after.title), field('description', deck.before.description, deck.after.description),
        listed(deck.before, deck.after, 'field', byName(deck.before.fields), byName(deck.after.fields)))));
  }
  parts.push(...given.cards.map(cardDiff));
  if (given.total > given.cards.length) parts.push(h('p', { class: 'dim' }, `and ${given.total - given.cards.length} cards more`));
  if (!parts.length) parts.push(h('p', { class: 'empty small' }, nothing));
  return h('div', { class: 'diff' }, parts);
}

/** How many of each kind, with their signs. */
export function tally(given) {
  const count = (kind) => given.cards.filter((card) => card.kind === kind).length;
  return h('span', { class: 'tally' }, ['added', 'changed', 'removed'].filter(count).map((kind) =>
    h('span', { class: kind }, `${MARKS[kind][0]} ${count(kind)} ${MARKS[kind][1].toLowerCase()}`)));
}
