//! `demo -> engine -> {transport, store}`, and no other way: what lies below must be usable, and understood, without
//! what lies above.

use std::collections::BTreeMap;
use std::process::Command;

/// Who may use whom, outside of tests.
const ALLOWED: [(&str, &[&str]); 4] = [
    ("cuecard-transport", &[]),
    ("cuecard-store", &[]),
    ("cuecard", &["cuecard-store", "cuecard-transport"]),
    ("cuecard-demo", &["cuecard"]),
];

#[test]
fn no_crate_uses_what_lies_above_or_beside_it() {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs: it is running this test");
    assert!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let mut ours: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let uses = package["dependencies"]
            .as_array()
            .expect("a list of dependencies")
            .iter();
        // Build and normal dependencies count; what a crate's own tests use does not reach its users.
        let shipped = uses.filter(|used| used["kind"] != "dev" && used["path"].is_string());
        let names = shipped.filter_map(|used| used["name"].as_str()).collect();
        ours.insert(package["name"].as_str().expect("a name"), names);
    }
    for (name, allowed) in ALLOWED {
        let uses = ours
            .remove(name)
            .unwrap_or_else(|| panic!("{name} is in the workspace"));
        for used in uses {
            assert!(allowed.contains(&used), "{name} must not use {used}");
        }
    }
    assert_eq!(
        ours.into_keys().collect::<Vec<_>>(),
        ["cuecard-browser", "cuecard-tests"],
        "a crate without a place in the house"
    );
}
