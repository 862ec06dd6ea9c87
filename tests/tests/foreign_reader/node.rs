//! Node, and the scripts in `tests/foreign`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cuecard::{CardId, Draft};
use serde_json::Value;

/// Set to make a missing Node, or a missing Automerge in it, a failure instead of a test that was skipped.
const REQUIRED: &str = "CUECARD_REQUIRE_NODE";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign")
}

/// Whether this machine has what `test` needs. Says loudly what is missing.
pub(crate) fn is_there(test: &str) -> bool {
    let version = Command::new("node").arg("--version").output();
    let missing = match version {
        Ok(output) if output.status.success() => {
            let package = folder().join("node_modules/@automerge/automerge");
            (!package.is_dir()).then_some(
                "the package @automerge/automerge; run `npm ci --prefix tests/foreign --ignore-scripts`",
            )
        }
        _ => Some("Node; install it (Debian: the packages `nodejs` and `npm`)"),
    };
    let Some(missing) = missing else { return true };
    assert!(
        std::env::var_os(REQUIRED).is_none_or(|value| value != "1"),
        "{test} lacks {missing}"
    );
    eprintln!("\n!!! SKIPPED: {test}\n!!! It lacks {missing}.\n");
    false
}

/// What the foreign reader finds in a document.
pub(crate) fn read(document: &[u8]) -> Value {
    serde_json::from_slice(&run(&["read.mjs"], document)).expect("JSON")
}

/// The changes that each of these stories of the foreign writer makes in a draft as it is now.
pub(crate) fn write(stories: &[&str], draft: &Draft, card: &CardId) -> Vec<Vec<Vec<u8>>> {
    let actor = draft.actor().expect("the draft");
    let actor: String = actor.iter().map(|byte| format!("{byte:02x}")).collect();
    let document = draft.automerge_document().expect("the draft");
    let arguments = [&["write.mjs", &actor, card.as_str()], stories].concat();
    let written: Vec<Vec<String>> = serde_json::from_slice(&run(&arguments, &document)).expect("JSON");
    let bytes = |digits: &String| {
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16);
        pairs.map(|pair| byte(pair).expect("digits")).collect()
    };
    let story = |changes: &Vec<String>| changes.iter().map(bytes).collect();
    written.iter().map(story).collect()
}

fn run(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut node = Command::new("node")
        .args(arguments)
        .current_dir(folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node starts");
    let mut stdin = node.stdin.take().expect("its input");
    // All of it is read before anything is written, so neither waits for the other.
    stdin.write_all(input).expect("Node reads the document");
    drop(stdin);
    let output = node.wait_with_output().expect("Node ends");
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    output.stdout
}
