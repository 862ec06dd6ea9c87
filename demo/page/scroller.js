// A list of any length, of which only what is seen is there: asked for in pages, drawn in a window.

import { h, put, unheld } from './dom.js';

export const PAGE = 60;
const BESIDE = 6;
const UNSEEN_MS = 100;

export class Scroller {
  /**
   * @param host the element that scrolls
   * @param row how high a row is, in pixels
   * @param ask gives { total, items } for (from, count)
   * @param draw makes the element of one item: (item, number)
   * @param key names all that the element of one item shows: while it is the same, the element stays
   * @param under what is drawn below the rows: (first, last, heightOfAll, itemAt)
   */
  constructor({ host, row, ask, draw, key, under }) {
    Object.assign(this, { host, row, ask, draw, key, under });
    this.pages = new Map();
    this.drawn = new Map();
    this.total = 0;
    this.turn = 0;
    // Kept here and not read from the host: asking it for either, while rows are being changed, lays the whole page out anew.
    this.top = 0;
    this.height = 0;
    this.stands = 0;
    this.sheet = h('div', { class: 'sheet', role: 'presentation' });
    this.below = h('div', { class: 'below', role: 'presentation' });
    this.rows = h('div', { class: 'rows', role: 'presentation' });
    this.sheet.append(this.below, this.rows);
    put(host, this.sheet);
    host.addEventListener('scroll', () => {
      this.stands = host.scrollTop;
      if (this.stands === this.top) return;
      this.top = this.stands;
      this.paint();
    }, { passive: true });
    this.repaint = () => this.paint();
    this.repaintRows = () => this.paint(false);
    this.watch = new ResizeObserver(() => this.measure() && this.paint());
    this.watch.observe(host);
  }

  /** How high the host is; gives whether that is another height than before. */
  measure() {
    const height = this.host.clientHeight;
    if (height === this.height) return false;
    // What is not shown forgets where it was scrolled to.
    if (!this.height) this.stands = null;
    this.height = height;
    return true;
  }

  /** Forgets what was read, and reads what is seen anew. What is there stays until then. */
  async renew() {
    this.turn += 1;
    const turn = this.turn;
    const [from] = this.range();
    const start = Math.floor(from / PAGE);
    const [one, two] = await Promise.all([this.read(start), this.read(start + 1, true)]);
    if (turn !== this.turn) return;
    this.pages.clear();
    if (one) this.keep(start, one);
    if (two && two.items.length) this.keep(start + 1, two);
    unheld(this.repaint);
  }

  read(page, beyond = false) {
    if (beyond && (page * PAGE >= this.total || this.seen() <= PAGE)) return null;
    return this.ask(page * PAGE, PAGE);
  }

  seen() {
    return Math.ceil(this.height / this.row);
  }

  keep(page, answer) {
    this.pages.set(page, answer.items);
    this.total = answer.total;
    if (this.height) this.top = Math.max(0, Math.min(this.top, this.total * this.row - this.height));
    this.sheet.style.setProperty('height', `${this.total * this.row}px`);
  }

  /** In place of all that was read: rows from the first of a page on. */
  replace(from, { total, items }) {
    this.turn += 1;
    this.pages.clear();
    for (let at = 0; at === 0 || at < items.length; at += PAGE) this.keep((from + at) / PAGE, { total, items: items.slice(at, at + PAGE) });
  }

  itemAt(number) {
    return this.pages.get(Math.floor(number / PAGE))?.[number % PAGE];
  }

  range() {
    const first = Math.max(0, Math.floor(this.top / this.row) - BESIDE);
    return [first, Math.min(this.total, first + this.seen() + 2 * BESIDE + 1)];
  }

  /** Puts a row in sight. */
  reveal(number, middle = false) {
    const top = number * this.row;
    if (!middle && top >= this.top && top + this.row <= this.top + this.height) return;
    const above = middle ? (this.height - this.row) / 2 : top < this.top ? this.row : this.height - 2 * this.row;
    this.scroll(top - above);
  }

  /** Goes so far down, with the next drawing. */
  scroll(top) {
    this.top = Math.max(0, Math.min(Math.round(top), this.total * this.row - this.height));
    this.paint();
  }

  /** Whether all that is seen is among so many rows from one on. */
  covers(from, count) {
    const [first, last] = this.range();
    return first >= from && last <= from + count;
  }

  /** Draws what is seen, once a frame at the most, whatever asks for it; what lies below the rows only if that changed. */
  paint(below = true) {
    this.below_too ||= below;
    if (this.timer) return;
    const draw = () => {
      cancelAnimationFrame(frame);
      clearTimeout(this.timer);
      this.timer = 0;
      const too = this.below_too;
      this.below_too = false;
      this.draw_seen(too);
    };
    // A page that is covered by another has no frames.
    this.timer = setTimeout(draw, UNSEEN_MS);
    const frame = requestAnimationFrame(draw);
  }

  draw_seen(below) {
    if (!this.height) this.measure();
    if (!this.height) return;
    const [first, last] = this.range();
    for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) this.want(page);
    const drawn = new Map();
    for (let number = first; number < last; number++) drawn.set(number, this.element(number));
    for (const [number, { element }] of this.drawn) if (drawn.get(number)?.element !== element) element.remove();
    // In their order, and what is in its place is not touched.
    let at = this.rows.firstChild;
    for (const { element } of drawn.values()) {
      if (element === at) at = at.nextSibling;
      else this.rows.insertBefore(element, at);
    }
    this.drawn = drawn;
    if (this.under && (below || this.seen_below !== `${first} ${last}`)) {
      this.seen_below = `${first} ${last}`;
      put(this.below, this.under(first, last));
    }
    // Last: it lays out what was drawn, and the frame need not do so again.
    if (this.stands !== this.top) {
      this.host.scrollTop = this.top;
      this.stands = this.top;
    }
    this.onpaint?.(first, last);
  }

  /** What stands in a row: the element that stood there, where it shows the same. */
  element(number) {
    const item = this.itemAt(number);
    const key = item ? this.key(item, number) : 'waiting';
    const before = this.drawn.get(number);
    if (before?.key === key) return before;
    const element = item ? this.draw(item, number) : h('div', { class: 'row waiting', 'aria-hidden': 'true' });
    element.style.setProperty('--y', `${number * this.row}px`);
    return { key, element };
  }

  async want(page) {
    if (this.pages.has(page)) return;
    const { turn } = this;
    this.pages.set(page, null);
    try {
      const answer = await this.ask(page * PAGE, PAGE);
      if (turn !== this.turn) return;
      this.keep(page, answer);
      this.paint();
    } catch {
      if (turn === this.turn) this.pages.delete(page);
    }
  }
}
