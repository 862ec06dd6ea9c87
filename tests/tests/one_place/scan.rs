//! Reading a source file as tokens: what of Automerge it names, and which function calls what.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Calls that are told by their name alone, whatever they are called on.
const CALLS: [&str; 9] = [
    "apply_changes",
    "apply_changes_log_patches",
    "generate_sync_message",
    "load_incremental",
    "load_incremental_log_patches",
    "merge",
    "merge_and_log_patches",
    "receive_sync_message",
    "receive_sync_message_log_patches",
];
/// Functions of these types that make something out of bytes. Their names alone would say too little.
const OF_TYPE: [(&str, &[&str]); 4] = [
    (
        "Automerge",
        &[
            "load",
            "load_unverified_heads",
            "load_with",
            "load_with_options",
            "rescue",
        ],
    ),
    (
        "AutoCommit",
        &["load", "load_unverified_heads", "load_with_options"],
    ),
    ("Change", &["from", "from_bytes", "try_from"]),
    ("Bundle", &["try_from"]),
];
/// What of Automerge may be named in few files only.
const NAMES: [&str; 9] = [
    "AutoCommit",
    "Automerge",
    "Bundle",
    "Change",
    "ExpandedChange",
    "LoadOptions",
    "Fragment",
    "SyncDoc",
    "sync",
];

/// A use of Automerge that has to be on the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) file: String,
    /// Where it is a call; a name is the whole file's.
    pub(crate) function: Option<String>,
    pub(crate) what: String,
}

impl Found {
    pub(crate) fn call(file: &str, function: &str, what: &str) -> Self {
        Self {
            file: file.to_owned(),
            function: Some(function.to_owned()),
            what: what.to_owned(),
        }
    }

    pub(crate) fn name(file: &str, what: &str) -> Self {
        Self {
            file: file.to_owned(),
            function: None,
            what: what.to_owned(),
        }
    }
}

/// Everything in a file that has to be on the list.
pub(crate) fn scan(file: &str, text: &str) -> Vec<Found> {
    let stream: TokenStream = text
        .parse()
        .unwrap_or_else(|error| panic!("{file} is not Rust: {error}"));
    let mut scan = Scan {
        file,
        names_change: mentions(stream.clone(), "Change"),
        found: Vec::new(),
    };
    scan.tokens(stream, "");
    scan.found
}

struct Scan<'a> {
    file: &'a str,
    /// Whether inference could make a `try_into` of this file read a change.
    names_change: bool,
    found: Vec<Found>,
}

impl Scan<'_> {
    fn tokens(&mut self, stream: TokenStream, function: &str) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        // What the next item is: a test's, and which function's body comes.
        let (mut is_test, mut body_of) = (false, None::<String>);
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if let Some(TokenTree::Group(attribute)) = tokens.get(at)
                        && attribute.delimiter() == Delimiter::Bracket
                    {
                        is_test |= is_for_tests(attribute);
                        at += 1;
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => (is_test, body_of) = (false, None),
                TokenTree::Group(group) => {
                    let is_body = group.delimiter() == Delimiter::Brace;
                    if !is_test {
                        let function = body_of.as_deref().filter(|_| is_body).unwrap_or(function);
                        self.tokens(group.stream(), function);
                    }
                    if is_body {
                        (is_test, body_of) = (false, None);
                    }
                }
                TokenTree::Ident(ident) if !is_test => {
                    let ident = ident.to_string();
                    if ident == "fn" {
                        if let Some(TokenTree::Ident(name)) = tokens.get(at) {
                            body_of = Some(name.to_string());
                            at += 1;
                        }
                    } else if ident == "mod" && is_ident(tokens.get(at), "tests") {
                        if is_punct(tokens.get(at + 1), ';') {
                            self.name("a module `tests` that is none");
                        }
                    } else {
                        self.ident(&ident, tokens.get(at..).unwrap_or_default(), function);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn ident(&mut self, ident: &str, after: &[TokenTree], function: &str) {
        if ident == "automerge" {
            match path_goes_on(after) {
                Some(rest) => self.path(rest),
                None if is_ident(after.first(), "as") => self.name("automerge under another name"),
                None => {}
            }
            return;
        }
        if CALLS.contains(&ident) {
            self.call(function, ident);
        }
        if ident == "try_into" && self.names_change {
            self.call(function, "try_into (to a Change?)");
        }
        let readers = OF_TYPE.iter().find(|(of, _)| *of == ident);
        if let (Some((_, readers)), Some([TokenTree::Ident(reader), ..])) = (readers, path_goes_on(after)) {
            let reader = reader.to_string();
            if readers.contains(&reader.as_str()) {
                self.call(function, &format!("{ident}::{reader}"));
            }
        }
    }

    /// What follows `automerge::`, in a path or a tree of uses.
    fn path(&mut self, rest: &[TokenTree]) {
        match rest.first() {
            Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => self.name("everything of automerge"),
            Some(TokenTree::Ident(ident)) => self.named(&ident.to_string(), rest.get(1)),
            Some(TokenTree::Group(tree)) => {
                let tokens: Vec<TokenTree> = tree.stream().into_iter().collect();
                for (at, token) in tokens.iter().enumerate() {
                    // Only the tree's own entries: what stands deeper is another module's.
                    let is_entry = at == 0 || is_punct(tokens.get(at - 1), ',');
                    if let (true, TokenTree::Ident(ident)) = (is_entry, token) {
                        self.named(&ident.to_string(), tokens.get(at + 1));
                    }
                    if is_entry && is_punct(Some(token), '*') {
                        self.name("everything of automerge");
                    }
                }
            }
            _ => {}
        }
    }

    fn named(&mut self, name: &str, next: Option<&TokenTree>) {
        if !NAMES.contains(&name) {
            return;
        }
        self.name(name);
        if is_ident(next, "as") {
            self.name(&format!("{name} under another name"));
        }
    }

    fn name(&mut self, what: &str) {
        self.found.push(Found::name(self.file, what));
    }

    fn call(&mut self, function: &str, what: &str) {
        self.found.push(Found::call(self.file, function, what));
    }
}

/// What stands behind `::`, if that is what comes.
fn path_goes_on(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    match tokens {
        [first, second, rest @ ..] if is_punct(Some(first), ':') && is_punct(Some(second), ':') => Some(rest),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_ident(token: Option<&TokenTree>, wanted: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == wanted)
}

/// `#[cfg(test)]`, or with more conditions; not `any(test, ..)` or `not(test)`, which ship.
fn is_for_tests(attribute: &Group) -> bool {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    let [TokenTree::Ident(cfg), TokenTree::Group(condition)] = tokens.as_slice() else {
        return false;
    };
    let condition: Vec<TokenTree> = condition.stream().into_iter().collect();
    cfg == "cfg"
        && match condition.as_slice() {
            [TokenTree::Ident(test)] => test == "test",
            [TokenTree::Ident(all), TokenTree::Group(conditions)] if all == "all" => conditions
                .stream()
                .into_iter()
                .any(|token| is_ident(Some(&token), "test")),
            _ => false,
        }
}

fn mentions(stream: TokenStream, wanted: &str) -> bool {
    stream.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == wanted,
        TokenTree::Group(group) => mentions(group.stream(), wanted),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}
