//! What counts, as vectors: sets of records and changes, and the path and the editor that follow from each. See `PROTOCOL.md`.
//!
//! ```sh
//! CUECARD_WRITE_VECTORS=1 cargo test -p cuecard --lib paths
//! ```

use std::path::Path;

use serde_json::{Value, json};

use super::order::{answer, bring, history};
use super::reference::{Item, Reference};
use super::*;

/// Random histories that together need every rule: leave one out, or turn it around, and one of them comes out otherwise.
const CHOSEN: [u64; 12] = [74, 137, 486, 532, 855, 894, 933, 1070, 1165, 1279, 1385, 1442];

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn told(item: &Item) -> Value {
    match item {
        Item::Charter(charter) => json!({ "charter": hex(charter.encode()) }),
        Item::Term(term) => json!({ "term": hex(term.encode()) }),
        Item::Seal(seal) => json!({ "seal": hex(seal.encode()) }),
        Item::Change(term, after, hash) => json!({ "change": hex(hash.0), "of": hex(term.as_bytes()),
            "number": after.len + 1, "after": hex(after.head.0) }),
    }
}

fn path(deck: &Deck, seed: u64) -> Value {
    let mut draw = Draw(seed);
    let size = 5 + draw.below(8);
    let mut items = history(deck, &mut draw, size, 4);
    if draw.chance(60) {
        // Not all of it has come.
        items.remove(draw.below(items.len()));
    }
    let chain = bring(deck, &items, &format!("seed {seed}"));
    let answer = answer(&chain);
    assert_eq!(answer, Reference::new(deck, &items).answer(), "seed {seed}");
    let steps = answer.path.iter();
    let steps = steps.map(|(term, upto)| json!([hex(term.as_bytes()), upto.len, hex(upto.head.0)]));
    json!({
        "holds": items.iter().map(told).collect::<Vec<_>>(),
        "path": steps.collect::<Vec<_>>(),
        "editor": answer.editor.map(|editor| hex(editor.as_bytes())),
    })
}

#[test]
fn the_paths_are_what_the_vectors_say() {
    let deck = Deck::new();
    let vectors = json!({
        "about": "Paths, see PROTOCOL.md. Written by: CUECARD_WRITE_VECTORS=1 cargo test -p cuecard --lib paths",
        "genesis": hex(deck.genesis.encode()), "start": hex(deck.start.0),
        "paths": CHOSEN.iter().map(|seed| path(&deck, *seed)).collect::<Vec<_>>(),
    });
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol-paths.json");
    if std::env::var_os("CUECARD_WRITE_VECTORS").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&vectors).unwrap() + "\n").unwrap();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(
        kept, vectors,
        "the rules of the path have changed; see the head of this file"
    );
}
