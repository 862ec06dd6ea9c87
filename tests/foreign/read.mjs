// Reads a deck as any Automerge tool does, knowing nothing of Cuecard but the schema of its cards. The document comes on
// standard input; what was found goes to standard output, as JSON.

import * as A from "@automerge/automerge";
import { readFileSync } from "node:fs";

/** Texts are strings here, and all other strings are `ImmutableString`s. */
const plain = (value) => {
  if (A.isImmutableString(value)) return value.val;
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, value]) => [key, plain(value)]));
};

const deck = A.load(readFileSync(0));
const { cards, ...root } = plain(deck);
const byPosition = (a, b) => (a.position + "/" + a.id < b.position + "/" + b.id ? -1 : 1);
const history = A.getHistory(deck).map(({ change }) => ({
  hash: change.hash,
  actor: change.actor,
  seq: change.seq,
  time: change.time,
  deps: change.deps,
  message: change.message === null ? null : JSON.parse(change.message),
}));
const read = {
  heads: A.getHeads(deck),
  root,
  cards: Object.entries(cards)
    .map(([id, card]) => ({ id, ...card }))
    .sort(byPosition),
  history,
};
// Some numbers come as `BigInt`s, which JSON does not know.
console.log(JSON.stringify(read, (_, value) => (typeof value === "bigint" ? Number(value) : value)));
