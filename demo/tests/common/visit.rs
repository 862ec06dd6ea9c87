//! The page that a command serves, asked as its scripts ask it, but without a browser.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Somebody who has the address.
pub(crate) struct Visit {
    authority: String,
    cookie: String,
    place: String,
}

impl Visit {
    /// Hands in the token that the address carries.
    pub(crate) fn new(address: &str) -> Self {
        let (origin, token) = address.split_once("/#token=").unwrap();
        let authority = origin.strip_prefix("http://").unwrap().to_owned();
        let body = serde_json::json!({ "token": token }).to_string();
        let (head, body) = ask(&authority, "POST /session", "", &body);
        let cookie = head
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "))
            .unwrap();
        let place: Value = serde_json::from_str(&body).unwrap();
        Self {
            cookie: cookie.split(';').next().unwrap().to_owned(),
            place: place["place"].as_str().unwrap().to_owned(),
            authority,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "")
    }

    pub(crate) fn post(&self, path: &str, given: &Value) -> Value {
        self.ask("POST", path, &given.to_string())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let line = format!("{method} {}/{path}", self.place);
        let (head, body) = ask(
            &self.authority,
            &line,
            &format!("Cookie: {}\r\n", self.cookie),
            body,
        );
        assert!(head.starts_with("HTTP/1.1 200"), "{line}: {head}\n{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Whether anything answers there.
    pub(crate) fn is_open(&self) -> bool {
        TcpStream::connect(&self.authority).is_ok()
    }
}

fn ask(authority: &str, line: &str, headers: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {authority}\r\nOrigin: http://{authority}\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}
