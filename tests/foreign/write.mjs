// Writes in a draft as another Automerge tool can: `node write.mjs ACTOR CARD STORY...`, the document on standard input. On
// standard output, for each story, the bytes of its changes in hexadecimal digits, as JSON.

import * as A from "@automerge/automerge";
import { readFileSync } from "node:fs";

const [, , actor, card, ...told] = process.argv;
const document = readFileSync(0);
let deck;
let said;

const say = (bytes) => said.push(Buffer.from(bytes).toString("hex"));
/** One change with this message, and what it does. */
const change = (message, edit) => {
  const options = message === undefined ? {} : { message: JSON.stringify(message) };
  deck = A.change(deck, options, edit);
  say(A.getLastLocalChange(deck));
};
const string = (text) => new A.ImmutableString(text);
const text = { op: "card.text", card, field: "back" };
const append = (what) => (deck) => {
  A.splice(deck, ["cards", card, "back"], deck.cards[card].back.length, 0, what);
};
const newCard = (front, position) => ({
  front,
  back: "",
  texts: {},
  position: string(position),
  tags: {},
  audio: {},
  fields: {},
});
/** Behind all others: longer than the last, and so after it. */
const last = () =>
  Object.values(deck.cards)
    .map((card) => card.position.val)
    .sort()
    .at(-1) + "V";

const stories = {
  honest() {
    change(text, append(", from a script: ñ 🙂"));
    change({ op: "card.tag", card }, (deck) => {
      deck.cards[card].tags.script = true;
    });
    const id = "0123456789abcdef";
    const ops = [
      { op: "card.add", card: id },
      { op: "card.field", card: id, name: "level" },
    ];
    change({ op: "batch", ops }, (deck) => {
      deck.cards[id] = newCard("el guion", last());
      deck.cards[id].fields.level = 3;
    });
    // Long enough that Automerge would compress it in a file.
    change({ op: "card.text", card: id, field: "back" }, (deck) => {
      A.splice(deck, ["cards", id, "back"], 0, 0, "the script, ".repeat(200));
    });
    change({ op: "card.move", card }, (deck) => {
      deck.cards[card].position = string(last());
    });
  },
  "another actor"() {
    deck = A.clone(deck, { actor: "00112233445566778899aabbccddeeff" });
    change(text, append("!"));
  },
  "no message"() {
    change(undefined, append("!"));
  },
  "a message in words"() {
    deck = A.change(deck, { message: "appended something" }, append("!"));
    say(A.getLastLocalChange(deck));
  },
  "a message that lies"() {
    change({ op: "card.tag", card }, append("!"));
  },
  "a message about another card"() {
    change({ ...text, card: "0000000000000000" }, append("!"));
  },
  "a key that no card has"() {
    change(text, (deck) => {
      deck.cards[card].colour = string("red");
    });
  },
  "a list"() {
    change(text, (deck) => {
      deck.cards[card].tags.script = [true];
    });
  },
  "a counter"() {
    change({ op: "card.field", card, name: "seen" }, (deck) => {
      deck.cards[card].fields.seen = new A.Counter(1);
    });
  },
  "a card removed"() {
    change({ op: "card.delete", card }, (deck) => {
      delete deck.cards[card];
    });
  },
  "a text replaced"() {
    change(text, (deck) => {
      deck.cards[card].back = "another text";
    });
  },
  "a mark"() {
    change(text, (deck) => {
      A.mark(deck, ["cards", card, "back"], { start: 0, end: 1, expand: "none" }, "bold", true);
    });
  },
  "a merge"() {
    // What another tool merged on its side is not part of the draft's one line.
    let other = A.clone(deck, { actor: "00112233445566778899aabbccddeeff" });
    other = A.change(other, { message: JSON.stringify(text) }, append("?"));
    deck = A.merge(deck, other);
    change(text, append("!"));
  },
  "the second without the first"() {
    deck = A.change(deck, { message: JSON.stringify(text) }, append("!"));
    change(text, append("!"));
  },
  "a whole document"() {
    say(A.save(deck));
  },
};

const written = told.map((story) => {
  deck = A.load(document, { actor });
  said = [];
  stories[story]();
  return said;
});
console.log(JSON.stringify(written));
