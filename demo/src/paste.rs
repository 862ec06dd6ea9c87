//! What people paste and answer: codes, and yes or no.

use std::io::{self, BufRead as _, IsTerminal as _};

use cuecard::transport::invite::{Code, CodeError};
use tokio::sync::mpsc;

use crate::error::Error;
use crate::output::Output;
use crate::text::say;

/// The longest code, with a line break after every character.
const PASTED_BYTES_MAX: usize = 8 * 1024;

/// A code in the making: chats break long lines, so it may come in several.
#[derive(Debug, Default)]
struct Pasted {
    text: String,
}

/// What another line makes of it.
#[derive(Debug, PartialEq, Eq)]
enum Come {
    /// A whole code.
    Whole(String),
    /// The rest is to come, or to be typed again.
    Part(String),
    /// Nothing that a code could begin with.
    Nonsense(String),
    Nothing,
}

impl Pasted {
    fn line(&mut self, line: &str) -> Come {
        let line = line.trim();
        if line.is_empty() {
            self.text.clear();
            return Come::Nothing;
        }
        // A code that comes whole is taken, whatever came before it.
        if let Ok(_code) = Code::decode(line) {
            self.text.clear();
            return Come::Whole(line.to_owned());
        }
        self.text.push_str(line);
        match Code::decode(&self.text) {
            Ok(_) => Come::Whole(std::mem::take(&mut self.text)),
            Err(CodeError::Short | CodeError::Check) if self.text.len() < PASTED_BYTES_MAX => Come::Part(
                "that is no whole code yet: paste the rest, or an empty line to begin again".to_owned(),
            ),
            Err(error) => {
                self.text.clear();
                Come::Nonsense(error.to_string())
            }
        }
    }
}

/// Whole codes, as they are pasted to standard input. Ends with it.
pub(crate) fn codes() -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel(1);
    // A thread: reading standard input blocks, and cannot be called off.
    std::thread::spawn(move || {
        let mut pasted = Pasted::default();
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            match pasted.line(&line) {
                Come::Whole(code) => {
                    if send.blocking_send(code).is_err() {
                        return;
                    }
                }
                Come::Part(why) | Come::Nonsense(why) => say(&why),
                Come::Nothing => {}
            }
        }
    });
    receive
}

/// The code of an offer: the one on the command line if it is no secret, else pasted.
///
/// # Errors
/// A code on the command line that holds a deck's key; and when no code comes.
pub(crate) async fn offer(given: Option<String>, output: Output) -> Result<String, Error> {
    match given.as_deref() {
        None | Some("-") => {
            if !output.quiet && io::stdin().is_terminal() {
                say("Paste the offer here:");
            }
            codes().recv().await.ok_or(Error::NoCode)
        }
        Some(text) => {
            let code = Code::decode(text)
                .map_err(|error| Error::Usage(format!("what was given is no offer: {error}")))?;
            if code.payload.is_empty() {
                Ok(text.to_owned())
            } else {
                Err(Error::CodeInArguments)
            }
        }
    }
}

/// Asks a person whether to go on.
///
/// # Errors
/// When the answer is no, or there is nobody to ask.
pub(crate) async fn confirm(question: &str, yes: bool) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Error::NobodyToAsk(question.to_owned()));
    }
    say(&format!("{question} Go on? [y/N]"));
    let (send, mut receive) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).is_ok() {
            let _ = send.blocking_send(line);
        }
    });
    let answer = receive.recv().await.unwrap_or_default();
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Error::NotWanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> String {
        Code {
            kind: cuecard::transport::invite::CodeKind::Offer,
            device: cuecard::DeviceId::from_bytes([7; 32]),
            fingerprint: [8; 32],
            credentials: cuecard::transport::invite::Credentials::from_bytes(&[1; 4], &[2; 16]),
            offerer_begins: false,
            expires_minute: u32::MAX,
            addresses: vec!["127.0.0.1:4000".parse().unwrap()],
            relays: Vec::new(),
            payload: vec![9; 70],
        }
        .encode()
        .unwrap()
    }

    #[test]
    fn a_code_in_several_lines_is_one_code() {
        let code = code();
        let mut pasted = Pasted::default();
        assert_eq!(pasted.line(&format!("  {code}  ")), Come::Whole(code.clone()));
        let (first, rest) = code.split_at(100);
        assert!(matches!(pasted.line(first), Come::Part(_)));
        assert_eq!(pasted.line(rest), Come::Whole(code.clone()));
        assert!(matches!(pasted.line(first), Come::Part(_)));
        assert_eq!(pasted.line(""), Come::Nothing);
        assert_eq!(pasted.line(&code), Come::Whole(code.clone()));
        assert!(matches!(pasted.line("it's in the chat!"), Come::Nonsense(_)));
        assert_eq!(pasted.line(&code), Come::Whole(code));
    }

    #[test]
    fn nonsense_without_end_is_not_kept() {
        let mut pasted = Pasted::default();
        for _ in 0..100 {
            pasted.line(&"a".repeat(1000));
            assert!(pasted.text.len() <= PASTED_BYTES_MAX + 1000);
        }
    }
}
