// A list of any length, of which only what is seen is there: asked for in pages, drawn in a window.

import { h, put, unheld } from './dom.js';

export const PAGE = 120;
const BESIDE = 6;
const UNSEEN_MS = 100;

export class Scroller {
  /**
   * @param host the element that scrolls
   * @param row how high a row is, in pixels
   * @param ask gives { total, items } for (from, count)
   * @param draw makes the element of one item: (item, number)
   * @param under what is drawn below the rows: (first, last, heightOfAll, itemAt)
   */
  constructor({ host, row, ask, draw, under, gap }) {
    Object.assign(this, { host, row, ask, draw, under, gap });
    this.pages = new Map();
    this.total = 0;
    this.turn = 0;
    this.sheet = h('div', { class: 'sheet', role: 'presentation' });
    this.below = h('div', { class: 'below', role: 'presentation' });
    this.rows = h('div', { class: 'rows', role: 'presentation' });
    this.sheet.append(this.below, this.rows);
    put(host, this.sheet);
    host.addEventListener('scroll', () => this.paint(), { passive: true });
    this.repaint = () => this.paint();
    this.repaintRows = () => this.paint(false);
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(host);
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
    return Math.ceil(this.host.clientHeight / this.row);
  }

  keep(page, answer) {
    this.pages.set(page, answer.items);
    this.total = answer.total;
    this.sheet.style.setProperty('height', `${this.total * this.row}px`);
  }

  itemAt(number) {
    return this.pages.get(Math.floor(number / PAGE))?.[number % PAGE];
  }

  range() {
    const first = Math.max(0, Math.floor(this.host.scrollTop / this.row) - BESIDE);
    return [first, Math.min(this.total, first + this.seen() + 2 * BESIDE + 1)];
  }

  /** Puts a row in sight. */
  reveal(number, middle = false) {
    const top = number * this.row;
    const { scrollTop, clientHeight } = this.host;
    if (!middle && top >= scrollTop && top + this.row <= scrollTop + clientHeight) return;
    const above = middle ? (clientHeight - this.row) / 2 : top < scrollTop ? this.row : clientHeight - 2 * this.row;
    this.host.scrollTop = Math.max(0, top - above);
    this.paint();
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
    if (!this.host.clientHeight) return;
    const [first, last] = this.range();
    for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) this.want(page);
    const drawn = [];
    for (let number = first; number < last; number++) {
      const item = this.itemAt(number);
      const element = item ? this.draw(item, number) : h('div', { class: 'row waiting', 'aria-hidden': 'true' });
      element.style.setProperty('--y', `${number * this.row}px`);
      drawn.push(element);
    }
    this.rows.replaceChildren(...drawn);
    if (this.under && (below || this.seen_below !== `${first} ${last}`)) {
      this.seen_below = `${first} ${last}`;
      put(this.below, this.under(first, last));
    }
    this.onpaint?.(first, last);
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
