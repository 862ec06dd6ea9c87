//! Reads what strace writes.

use std::collections::HashMap;

/// One system call. Where in the list it began and ended tells what was before what.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) began: usize,
    pub(crate) ended: usize,
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) succeeded: bool,
}

impl Call {
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self.name.as_str(), "fsync" | "fdatasync")
    }

    pub(crate) fn is_write(&self) -> bool {
        self.name.contains("write")
    }

    pub(crate) fn is_rename(&self) -> bool {
        self.name.starts_with("rename")
    }

    /// The file behind the descriptor that is the first argument.
    pub(crate) fn path(&self) -> &str {
        let path = self.arguments.split_once('<').and_then(|(number, rest)| {
            let is_descriptor = number.bytes().all(|byte| byte.is_ascii_digit());
            let end = rest.find(">,").or_else(|| rest.rfind('>'));
            end.filter(|_| is_descriptor).map(|end| &rest[..end])
        });
        path.unwrap_or_default()
    }

    /// From where to where a rename went.
    pub(crate) fn renamed(&self) -> Option<(&str, &str)> {
        let mut quoted = self.arguments.split('"').skip(1).step_by(2);
        Some((quoted.next()?, quoted.next()?)).filter(|_| self.is_rename())
    }

    /// What the writer said by this call.
    pub(crate) fn said(&self) -> Option<&str> {
        let is_output = self.name == "write" && self.arguments.starts_with("1<");
        let text = self.arguments.split('"').nth(1)?;
        text.strip_suffix("\\n").filter(|_| is_output)
    }

    pub(crate) fn is_said(&self, first_word: &str) -> bool {
        self.said().is_some_and(|said| said.starts_with(first_word))
    }
}

pub(crate) fn parse(list: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    // Of each thread, the call that is under way.
    let mut under_way: HashMap<&str, Call> = HashMap::new();
    for (at, line) in list.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if rest.starts_with("<... ") {
            let Some(mut call) = under_way.remove(thread) else {
                panic!("line {at} goes on with a call that did not begin: {line}");
            };
            call.ended = at;
            call.succeeded = succeeded(rest);
            calls.push(call);
        } else if let Some((name, arguments)) = rest.split_once('(') {
            let call = Call {
                began: at,
                ended: at,
                name: name.to_owned(),
                arguments: arguments.to_owned(),
                succeeded: succeeded(rest),
            };
            if rest.ends_with("<unfinished ...>") {
                under_way.insert(thread, call);
            } else {
                calls.push(call);
            }
        }
    }
    calls
}

fn succeeded(line: &str) -> bool {
    let result = line.rsplit_once(" = ").map(|(_, result)| result);
    let number = result.and_then(|result| result.split(' ').next());
    number.is_some_and(|number| number.parse::<i64>().is_ok_and(|number| number >= 0))
}
