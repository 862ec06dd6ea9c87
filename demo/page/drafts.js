// Drafts, and late work: what waits beside the deck, what it would do, and the editor's word.

import { h, put, toast } from './dom.js';
import { diff, tally } from './cards.js';
import { doOnDeck, go, lane, ofDeck, refresh, state } from './state.js';
import { short, some, when } from './words.js';

const STATES = { open: 'being written', proposed: 'waits', accepted: 'accepted', declined: 'declined', withdrawn: 'withdrawn', other: '?' };

async function say(path, given, done) {
  try {
    await doOnDeck(path, given);
    toast(done);
    await refresh();
  } catch (error) {
    toast(error.message);
  }
}

function verdict(draft, isEditor) {
  if (draft.state !== 'proposed') return null;
  if (!isEditor) {
    const editor = state.summary?.role.editor?.name;
    return h('p', { class: 'dim' }, editor ? `Only the editor accepts or declines; that is ${editor}.` : 'Nobody is editor at present, so it waits.');
  }
  const reason = h('input', { type: 'text', maxlength: 200, placeholder: 'Why not? (for its author)', 'aria-label': 'Reason for declining' });
  return h('form', { class: 'verdict', onsubmit: (event) => event.preventDefault() },
    h('button', { type: 'button', class: 'act first accept', onclick: () => say(`drafts/${draft.id}/accept`, {}, 'The draft is part of the deck.') }, '✓ Accept'),
    reason, h('button', { type: 'button', class: 'act decline', onclick: () => say(`drafts/${draft.id}/decline`, { reason: reason.value }, 'The draft is declined; its author is told.') }, '✕ Decline'));
}

function one(draft, open) {
  return h('li', {}, h('button', { type: 'button', class: `draft-line ${lane(draft.device)} ${open ? 'open' : ''}`, 'aria-expanded': String(open), 'data-draft': draft.id, onclick: () => go({ tab: 'drafts', arg: open ? '' : draft.id }) },
    h('i', { class: 'dot draft' }), h('span', { class: 'grow' }, h('b', {}, draft.note || 'without a note'), h('span', { class: 'dim' }, ` by ${draft.author.name}, ${some(draft.changes, 'change')}, ${when(draft.time)}`)),
    h('span', { class: `badge state-${draft.state}` }, STATES[draft.state])));
}

export async function showDrafts(host, arg) {
  const told = await ofDeck('drafts');
  const detail = arg ? await ofDeck(`drafts/${arg}`).catch((error) => ({ error: error.message })) : null;
  const list = told.drafts.map((draft) => {
    const open = draft.id === arg;
    if (!open) return one(draft, false);
    return [one(draft, true), h('li', { class: 'draft-detail' },
      detail.error && h('p', { class: 'dim' }, detail.error),
      verdict(draft, told.editor),
      draft.why && h('p', {}, 'Declined: ', h('q', {}, draft.why)),
      h('p', { class: 'dim' }, 'Written upon ', h('a', { href: '#', onclick: (event) => { event.preventDefault(); go({ tab: 'entry', arg: draft.base }); } }, short(draft.base)), '.'),
      detail.unmergeable && h('p', { class: 'why' }, detail.unmergeable),
      detail.diff && [h('h3', {}, draft.state === 'accepted' ? 'It did ' : 'Accepted now, it would do this ', tally(detail.diff)), diff(detail.diff, detail.deck, 'It would change nothing: the deck has all of it.')],
      draft.state === 'accepted' && h('p', {}, 'It is part of the deck: its entries are in the history.'))];
  });
  put(host, h('div', { class: 'pad' },
    h('div', { class: 'view-head' }, h('h2', {}, 'Drafts'), h('p', { class: 'dim' }, 'Who is not the editor writes beside the deck. Nothing of it is in the deck until the editor says so.')),
    told.drafts.length ? h('ul', { class: 'drafts' }, list) : h('div', { class: 'empty small' }, 'There are none.'),
    told.late.length > 0 && h('section', {}, h('h3', {}, 'Late work'), h('p', { class: 'dim' }, 'Written by an editor whose term was over, and not part of the deck. It is kept.'),
      h('ul', { class: 'drafts' }, told.late.map((late) => h('li', { class: 'late-line' }, h('i', { class: 'dot late' }), h('span', { class: 'grow' }, h('b', {}, late.author.name), `, ${some(late.changes, 'change')} of term ${short(late.term)}`, late.after_leaving ? ', written after giving the role away' : ''),
        told.editor && h('button', { type: 'button', class: 'act', onclick: () => say(`late/${late.term}/${late.head}/accept`, {}, 'The late work is part of the deck.') }, '✓ Accept')))))));
}
