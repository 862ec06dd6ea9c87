// The lanes beside the rows: only as much of the drawing as is seen.

import { s } from './dom.js';
import { lane } from './state.js';

export const ROW = 38;
export const LANE = 20;
const LEFT = 16;

export const across = (of) => LEFT + of * LANE;
export const width = (lanes) => LEFT + Math.max(1, lanes) * LANE;
const middle = (row) => row * ROW + ROW / 2;

function line([from, fromLane, to, toLane, into]) {
  const [x0, y0, x1, y1] = [across(fromLane), middle(from), across(toLane), middle(to)];
  if (x0 === x1) return `M${x0} ${y0}V${y1}`;
  const bend = ROW * 0.92;
  return into
    ? `M${x0} ${y0}C${x0} ${y0 + bend * 0.6} ${x1} ${y0 + bend * 0.4} ${x1} ${y0 + bend}V${y1}`
    : `M${x0} ${y0}V${y1 - bend}C${x0} ${y1 - bend * 0.4} ${x1} ${y1 - bend * 0.6} ${x1} ${y1}`;
}

function mark(item, number) {
  const [x, y] = [across(item.lane), middle(number)];
  const parts = [];
  if (item.head) parts.push(s('circle', { cx: x, cy: y, r: 11, class: 'halo' }));
  if (item.kind === 'beginning') parts.push(s('path', { d: `M${x} ${y - 7}l7 7-7 7-7-7z`, class: 'full' }));
  else if (item.kind === 'late') parts.push(s('path', { d: `M${x} ${y - 7}l7.5 13h-15z`, class: 'full' }));
  else if (item.kind === 'merge') {
    parts.push(s('circle', { cx: x, cy: y, r: 7.5, class: 'open' }), s('circle', { cx: x, cy: y, r: 3.5, class: 'full' }));
  } else if (item.kind === 'draft') parts.push(s('circle', { cx: x, cy: y, r: 5.5, class: 'open' }));
  else if (item.count > 1) {
    parts.push(s('rect', { x: x - 5.5, y: y - 10, width: 11, height: 20, rx: 5.5, class: 'full' }));
  } else parts.push(s('circle', { cx: x, cy: y, r: 5.5, class: 'full' }));
  return s('g', { class: `node ${item.kind} ${lane(item.device)}`, 'data-hash': item.hash }, parts);
}

/** A mark by itself, for the legend. */
export function sample(kind, extra = {}) {
  const node = mark({ kind, lane: 0, count: 1, device: 0, hash: null, ...extra }, 0);
  return s('svg', { viewBox: '4 7 24 24', width: 18, height: 18, 'aria-hidden': 'true' }, node);
}

/** Stripes behind the rows: whose term it was, every other one darker. */
function stripes(first, last, itemAt, lanes) {
  const found = [];
  let open = null;
  const close = (end) => {
    if (open) found.push({ ...open, end });
    open = null;
  };
  for (let number = first; number < last; number++) {
    const item = itemAt(number);
    if (!item) continue;
    const own = item.terms ? { term: item.terms[1], device: item.device } : null;
    if (!own) continue;
    if (!open || open.term !== own.term || open.device !== own.device) {
      close(number);
      open = { ...own, start: open === null && !found.length ? first : number };
    }
    if (item.terms[0] !== item.terms[1]) open.term = item.terms[0];
  }
  close(last);
  return found.map(({ start, end, term, device }) =>
    s('rect', {
      x: 2, y: start * ROW + 1, width: width(lanes) - 4, height: (end - start) * ROW - 2, rx: 7,
      class: `term ${lane(device)} ${term % 2 ? 'odd' : 'even'}`,
    }));
}

/** The drawing of the rows from `first` to `last`. */
export function drawing({ first, last, lanes, edges, itemAt }) {
  const seen = edges.filter(([from, , to]) => from < last && to >= first);
  // Lines of millions of pixels are cut to what is seen: they are straight out there.
  const near = (edge) => {
    const [from, a, to, b, into, ...rest] = edge;
    const top = into || from >= first - 2 ? from : first - 2;
    const bottom = into && to > last + 2 ? last + 2 : to;
    return into || a === b || to <= last + 2 ? [top, a, bottom, b, into, ...rest] : [top, a, last + 2, a, into, ...rest];
  };
  const lines = seen.map((edge) =>
    s('path', { d: line(near(edge)), class: `edge ${lane(edge[6])} ${edge[5] ? 'side' : ''}` }));
  const nodes = [];
  for (let number = first; number < last; number++) {
    const item = itemAt(number);
    if (item && item.hash) nodes.push(mark(item, number));
  }
  const w = width(lanes);
  const y = first * ROW;
  const drawn = s('svg', {
    class: 'graph', width: w, height: (last - first) * ROW, viewBox: `0 ${y} ${w} ${(last - first) * ROW}`,
    'aria-hidden': 'true',
  }, stripes(first, last, itemAt, lanes), lines, nodes);
  // Beside the rows that it is of.
  drawn.style.setProperty('--y', `${y}px`);
  return drawn;
}
