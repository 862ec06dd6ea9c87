// How things are called, and how moments and sizes read.

const VERBS = {
  'deck.created': 'Began', 'deck.rename': 'Renamed', 'deck.field': 'Set a field of', 'card.add': 'Added',
  'card.text': 'Wrote', 'card.move': 'Moved', 'card.delete': 'Deleted', 'card.restore': 'Restored',
  'card.tag': 'Tagged', 'card.untag': 'Untagged', 'card.field': 'Set a field of', 'audio.attach': 'Put audio on',
  'audio.detach': 'Took audio off', 'draft.accept': 'Accepted', 'draft.decline': 'Declined', 'late.accept': 'Accepted',
  undo: 'Undid', redo: 'Redid', batch: 'Edited', unknown: 'Changed',
};

export const verb = (op) => VERBS[op] ?? op;

export const KINDS = {
  edit: 'edit', draft: 'draft', merge: 'merge', late: 'late work', beginning: 'the beginning',
};

const pad = (number) => String(number).padStart(2, '0');

export function clock(ms) {
  const at = new Date(ms);
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

// Made once: making one takes longer than drawing a row.
const DAYS = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', year: 'numeric' });
const NUMBERS = new Intl.NumberFormat('en');

export const day = (ms) => DAYS.format(new Date(ms));

/** A moment: the time if it was today, else the day as well. */
export function when(ms) {
  const isToday = new Date(ms).toDateString() === new Date().toDateString();
  return isToday ? clock(ms) : `${day(ms)}, ${clock(ms)}`;
}

export const whole = (number) => NUMBERS.format(number);
export const some = (number, one, many = `${one}s`) => `${whole(number)} ${number === 1 ? one : many}`;

export function bytes(count) {
  if (count < 1024) return `${count} bytes`;
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(1)} KiB`;
  return `${(count / 1024 / 1024).toFixed(1)} MiB`;
}

export function seconds(ms) {
  const all = Math.round(ms / 1000);
  return `${Math.floor(all / 60)}:${pad(all % 60)}`;
}

export const short = (hash) => String(hash ?? '').slice(0, 8);

/** What an entry is about, in a few names. */
export function names(about) {
  if (!about) return '';
  const all = about.names.map((name) => name || '(empty)').join(', ');
  return about.more ? `${all} and ${about.more} more` : all;
}

export function term(terms) {
  if (!terms) return '';
  const [from, to] = Array.isArray(terms) ? terms : [terms, terms];
  return from === to ? `term ${from}` : `terms ${from}–${to}`;
}
