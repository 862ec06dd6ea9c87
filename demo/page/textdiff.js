// What differs between two texts, word by word: for people, so whole words, and never for long.

const MANY = 400;

const words = (text) => text.match(/\s+|[\p{L}\p{N}\p{M}_'’]+|[^\s\p{L}\p{N}\p{M}_'’]/gu) ?? [];

/** Pieces of both: ['same' | 'gone' | 'new', text]. */
export function textDiff(before, after) {
  if (before === after) return before ? [['same', before]] : [];
  const [a, b] = [words(before), words(after)];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const pieces = [];
  const push = (kind, text) => {
    if (!text) return;
    const last = pieces[pieces.length - 1];
    if (last && last[0] === kind) last[1] += text;
    else pieces.push([kind, text]);
  };
  push('same', a.slice(0, head).join(''));
  const [x, y] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  if (x.length > MANY || y.length > MANY) {
    push('gone', x.join(''));
    push('new', y.join(''));
  } else {
    // The longest that both have in common, from the end.
    const longest = Array.from({ length: x.length + 1 }, () => new Uint16Array(y.length + 1));
    for (let i = x.length - 1; i >= 0; i--) {
      for (let j = y.length - 1; j >= 0; j--) {
        longest[i][j] = x[i] === y[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
      }
    }
    let [i, j] = [0, 0];
    while (i < x.length || j < y.length) {
      if (i < x.length && j < y.length && x[i] === y[j]) { push('same', x[i]); i += 1; j += 1; }
      else if (i < x.length && (j >= y.length || longest[i + 1][j] >= longest[i][j + 1])) { push('gone', x[i]); i += 1; }
      else { push('new', y[j]); j += 1; }
    }
  }
  push('same', a.slice(a.length - tail).join(''));
  return pieces;
}
