//! What is written about the code is true of it, as far as a program can see: every limit names a test that names
//! the limit, every test and every file that a page names is there.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests is in the workspace").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages of the repository, and those of its sources that list tests.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_ours = !["target", "node_modules", ".git"].contains(&name.to_string_lossy().as_ref());
            if path.is_dir() && is_ours {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    assert!(pages.len() > 8, "{pages:?}");
    pages.push(root().join("engine/src/limits.rs"));
    pages
}

/// What a text names in the form `path/to/file.rs::test`, in backticks.
fn tests_named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let split = quoted.filter_map(|quoted| quoted.split_once("::"));
    split.filter(|(file, _)| file.ends_with(".rs")).collect()
}

/// Why a file does not have a test; nothing, if it has.
fn flaw(file: &str, test: &str) -> Option<String> {
    let Ok(source) = fs::read_to_string(root().join(file)) else {
        return Some(format!("there is no {file}"));
    };
    let is_there = source.contains(&format!("fn {test}("));
    (!is_there).then(|| format!("{file} has no test {test}"))
}

/// Why the test of a limit does not meet it, as far as that can be read: a test that writes its number down goes on passing
/// when the limit becomes another one.
fn flaw_of_limit(limit: &str, file: &str, test: &str) -> Option<String> {
    if let Some(flaw) = flaw(file, test) {
        return Some(flaw);
    }
    let source = read(&root().join(file));
    let words = body_of(&source, test).split(|at: char| !at.is_alphanumeric() && at != '_');
    let is_named = words.into_iter().any(|word| word == limit);
    (!is_named).then(|| format!("{test} in {file} does not name {limit}"))
}

/// What a test does: up to the brace that stands below the line it begins in.
fn body_of<'a>(source: &'a str, test: &str) -> &'a str {
    let begins = source.find(&format!("fn {test}(")).unwrap_or(0);
    let (before, body) = source.split_at(begins);
    let indent = before.rsplit('\n').next().unwrap_or_default();
    let indent: String = indent.chars().take_while(|at| at.is_whitespace()).collect();
    let ends = body.find(&format!("\n{indent}}}")).unwrap_or(body.len());
    &body[..ends]
}

#[test]
fn every_limit_names_the_test_that_meets_it() {
    let source = read(&root().join("engine/src/limits.rs"));
    let (mut limits, mut without) = (0, Vec::new());
    let mut documentation = String::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            documentation.push_str(text);
            continue;
        }
        if let Some(limit) = line
            .strip_prefix("pub const ")
            .and_then(|rest| rest.split(':').next())
        {
            limits += 1;
            let test = documentation.split("Test: ").nth(1);
            let test = test.unwrap_or_else(|| {
                panic!("{limit} says no test: end its documentation with a line \"Test: `file.rs::name`.\"")
            });
            match tests_named(test)[..] {
                [(file, test)] => assert_eq!(flaw_of_limit(limit, file, test), None),
                _ => without.push(limit),
            }
        }
        documentation.clear();
    }
    assert!(limits > 60, "{limits}");
    // What cannot be met says why, and there are no more of these.
    assert_eq!(without, ["ASKS_KEPT_MAX", "FRESH_CHANGES_MAX", "PRESENCES_MAX"]);
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let mut named = 0;
    for page in pages() {
        let text = read(&page);
        for (file, test) in tests_named(&text) {
            assert_eq!(flaw(file, test), None, "in {}", page.display());
            named += 1;
        }
    }
    assert!(named > 100, "{named}");
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let mut links = 0;
    for page in pages() {
        let text = read(&page);
        let folder = page.parent().expect("a page is in a folder");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            let is_outside = target.contains("://") || target.contains("::") || target.starts_with("crate");
            if target.is_empty() || is_outside || target.contains(char::is_whitespace) {
                continue;
            }
            assert!(
                folder.join(target).exists(),
                "{} links to {target}, which is not there",
                page.display()
            );
            links += 1;
        }
    }
    assert!(links > 15, "{links}");
}

#[test]
fn a_page_that_is_wrong_is_noticed() {
    let named = tests_named("as `tests/tests/pages.rs::no_such_test` and `crate::limits` show");
    assert_eq!(named, [("tests/tests/pages.rs", "no_such_test")]);
    assert_eq!(
        flaw(named[0].0, named[0].1),
        Some("tests/tests/pages.rs has no test no_such_test".to_owned())
    );
    let here = ("tests/tests/pages.rs", "a_page_that_is_wrong_is_noticed");
    let unnamed = ["NO_", "LIMIT"].concat();
    assert_eq!(
        flaw_of_limit(&unnamed, here.0, here.1),
        Some(format!("{} in {} does not name {unnamed}", here.1, here.0))
    );
    let beside = "every_test_that_a_page_names_is_there";
    assert_eq!(
        flaw_of_limit("NAMED_MAX", here.0, beside),
        Some(format!("{beside} in {} does not name NAMED_MAX", here.0)),
        "another test of that file does"
    );
    assert_eq!(
        flaw_of_limit("NAMED_MAX", here.0, here.1),
        None,
        "as NAMED_MAX is named here"
    );
    assert_eq!(flaw("nowhere.rs", "x"), Some("there is no nowhere.rs".to_owned()));
    assert_eq!(
        flaw("tests/tests/pages.rs", "a_page_that_is_wrong_is_noticed"),
        None
    );
}
