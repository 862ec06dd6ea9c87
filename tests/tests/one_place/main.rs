//! Bytes become Automerge's in few places, and each of them is named here.
//!
//! Automerge trusts what it is given, and its sync protocol falls to one hostile message (see `engine/src/gate`). So
//! nothing of ours speaks that protocol, and every call that makes a change or a document out of bytes, or applies
//! one, is on the list below with the reason why what it reads has been checked. The sources are read as tokens:
//! comments and texts do not count, and neither do tests.
//!
//! A call that is added elsewhere fails this test. So does an entry that nothing uses any more.

mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use scan::{Found, scan};

/// File, function, what it uses, and why it may.
const ALLOWED: &[(&str, &str, &str, &str)] = &[
    (
        "engine/src/gate/chunk.rs",
        "read",
        "Change::try_from",
        "the door itself: every column is bounded before",
    ),
    (
        "engine/src/gate/chunk.rs",
        "read",
        "Change::from",
        "spells anew what was just read, to compare",
    ),
    (
        "engine/src/document.rs",
        "give",
        "apply_changes_log_patches",
        "called by `apply` with an `Admitted`, which only the gate makes; and by `put_in` with what is from our own log: the gate or \
         the commit has checked each before it was kept",
    ),
    (
        "engine/src/document/judging.rs",
        "judge",
        "Change::from",
        "a change of our own, without operations",
    ),
    (
        "engine/src/document/judging.rs",
        "judge",
        "apply_changes",
        "the change that was just made here",
    ),
    (
        "engine/src/document/restored.rs",
        "restore_snapshot",
        "Automerge::load_with_options",
        "a snapshot that this device wrote, under our own checksum; its heads are compared",
    ),
    (
        "engine/src/document/restored.rs",
        "own_change",
        "Change::try_from",
        "from our own log; the checksum is compared",
    ),
];

/// Who may name the types that read bytes at all. Without the name there is no call that type inference could hide.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("engine/src/document.rs", &["Automerge", "Change"]),
    ("engine/src/document/judging.rs", &["Change", "ExpandedChange"]),
    (
        "engine/src/document/restored.rs",
        &["Automerge", "Change", "LoadOptions"],
    ),
    ("engine/src/gate/ahead.rs", &["Change"]),
    ("engine/src/gate/chunk.rs", &["Change"]),
    ("engine/src/gate/lines.rs", &["Change"]),
    ("engine/src/gate/meaning.rs", &["Change"]),
    ("engine/src/gate/mod.rs", &["Change"]),
    ("engine/src/gate/operation.rs", &["Change", "ExpandedChange"]),
    // These only read.
    ("engine/src/core/own_log.rs", &["Change"]),
    ("engine/src/gate/one.rs", &["Change"]),
    ("engine/src/document/telling.rs", &["Automerge"]),
    ("engine/src/sync/vectors/page.rs", &["Automerge"]),
    ("engine/src/history/blame.rs", &["Automerge"]),
    ("engine/src/history/conflicts.rs", &["Automerge"]),
    ("engine/src/history/mod.rs", &["Automerge"]),
    ("engine/src/history/places.rs", &["Automerge"]),
    ("engine/src/history/walk.rs", &["Automerge"]),
];

const SOURCES: [&str; 4] = ["transport/src", "store/src", "engine/src", "demo/src"];

#[test]
fn bytes_become_automerge_s_only_where_they_have_been_checked() {
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let mut files = 0;
    for sources in SOURCES {
        for path in rust_files(&root.join(sources)) {
            let name = path.strip_prefix(root).expect("below it").display().to_string();
            let text = fs::read_to_string(&path).expect("a source file");
            found.extend(scan(&name, &text));
            files += 1;
        }
    }
    assert!(files > 100, "only {files} files were read");

    let mut allowed: BTreeSet<Found> = ALLOWED
        .iter()
        .map(|(file, function, what, _)| Found::call(file, function, what))
        .collect();
    assert_eq!(allowed.len(), ALLOWED.len(), "an entry stands twice");
    for (file, names) in MAY_NAME {
        allowed.extend(names.iter().map(|name| Found::name(file, name)));
    }
    let more: Vec<&Found> = found.difference(&allowed).collect();
    assert!(
        more.is_empty(),
        "not on the list; let it go through the gate, or say in the list why it need not: {more:#?}"
    );
    let gone: Vec<&Found> = allowed.difference(&found).collect();
    assert!(gone.is_empty(), "on the list, and nowhere any more: {gone:#?}");
}

/// All of a folder but tests, which stand in `tests.rs` or a folder `tests` and are compiled only as such.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a source folder") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if stem == Some("tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn in_function(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut functions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for found in scan("x.rs", text) {
        functions
            .entry(found.function.unwrap_or_default())
            .or_default()
            .insert(found.what);
    }
    functions
}

fn of(functions: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
    functions
        .iter()
        .map(|(function, what)| {
            (
                (*function).to_owned(),
                what.iter().map(|what| (*what).to_owned()).collect(),
            )
        })
        .collect()
}

#[test]
fn calls_are_found_however_they_are_written() {
    let text = r#"
        impl Log {
            fn plain(&mut self) { self.automerge.apply_changes([change]) }
            fn spelled_out(&mut self) { Automerge::apply_changes::<Vec<Change>>(&mut self.document, changes) }
            fn inside(&self) { if let Some(x) = y { vec![(|| Change::try_from(x))()]; } }
            fn as_a_value(&self) { bytes.map(Automerge::load) }
            fn inferred(&self) -> Change { bytes.try_into() }
            fn merged(&mut self) { a.merge(&mut b) }
            fn full(&self) { automerge::Automerge::load_unverified_heads(bytes) }
        }
        fn sync() { doc.receive_sync_message(state, message) }
    "#;
    assert_eq!(
        in_function(text),
        of(&[
            ("", &["Automerge"]),
            ("as_a_value", &["Automerge::load"]),
            ("full", &["Automerge::load_unverified_heads"]),
            ("inferred", &["try_into (to a Change?)"]),
            ("inside", &["Change::try_from"]),
            ("merged", &["merge"]),
            ("plain", &["apply_changes"]),
            ("spelled_out", &["apply_changes"]),
            ("sync", &["receive_sync_message"]),
        ])
    );
}

#[test]
fn names_are_found_however_they_are_brought_in() {
    let names = |text: &str| in_function(text).remove("").unwrap_or_default();
    let is = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    assert_eq!(
        names("use automerge::{ActorId, transaction::Transactable, Change as C, sync::{self}};"),
        is(&["Change", "Change under another name", "sync"])
    );
    assert_eq!(
        names("use automerge as am;"),
        is(&["automerge under another name"])
    );
    assert_eq!(names("use automerge::*;"), is(&["everything of automerge"]));
    assert_eq!(names("type X = automerge::AutoCommit;"), is(&["AutoCommit"]));
    assert_eq!(
        names("extern crate automerge as am;"),
        is(&["automerge under another name"])
    );
}

#[test]
fn comments_texts_and_tests_do_not_count() {
    let text = r##"
        //! Never call `apply_changes` or Automerge::load.
        /// As apply_changes does.
        fn here() { let text = "Automerge::load(apply_changes)"; let raw = r#"Change::try_from"#; /* a.merge(b) */ }
        #[cfg(test)]
        mod tests { use automerge::AutoCommit; fn it() { a.apply_changes(b) } }
        #[cfg(test)]
        use automerge::AutoCommit;
        #[cfg(test)]
        fn only_in_tests() { a.merge(b) }
        fn apply_changes() {}
    "##;
    assert_eq!(in_function(text), BTreeMap::new());
    for condition in ["not(test)", "any(test, feature = \"sim\")", "feature = \"test\""] {
        assert_eq!(
            in_function(&format!("#[cfg({condition})] fn shipped() {{ a.merge(b) }}")),
            of(&[("shipped", &["merge"])])
        );
    }
    // What is skipped for its name must be a test.
    assert_eq!(
        in_function("mod tests;"),
        of(&[("", &["a module `tests` that is none"])])
    );
    assert_eq!(in_function("#[cfg(test)] mod tests;"), BTreeMap::new());
}
