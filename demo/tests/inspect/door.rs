//! Who is let in, asked by plain HTTP: what no browser would let a page send.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use cuecard_browser::Browser;

use crate::served::Served;

/// A request with these headers beside the right host.
fn request(served: &Served, line: &str, headers: &[(&str, &str)], body: &str) -> String {
    let host = served.authority();
    let mut text = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    served.ask(&format!("{text}\r\n{body}"))
}

fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{answer}"))
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn sign_in(served: &Served, token: &str) -> String {
    let origin = served.origin().to_owned();
    let headers = [("Origin", origin.as_str()), ("Content-Type", "application/json")];
    request(
        served,
        "POST /session",
        &headers,
        &format!("{{\"token\":\"{token}\"}}"),
    )
}

/// What the token buys: a cookie, and the place that it is for.
fn bought(entered: &str) -> (String, String) {
    assert_eq!(status(entered), 200, "{entered}");
    let cookie = header(entered, "set-cookie").unwrap();
    let body: serde_json::Value = serde_json::from_str(entered.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let place = body["place"].as_str().unwrap();
    (cookie.split(';').next().unwrap().to_owned(), place.to_owned())
}

#[test]
fn only_who_has_the_token_gets_in_and_only_from_here() {
    let served = Served::start(&["--demo"]);
    let get = |path: &str, headers: &[(&str, &str)]| request(&served, &format!("GET {path}"), headers, "");
    assert_eq!(status(&sign_in(&served, &"0".repeat(64))), 401);
    assert_eq!(status(&sign_in(&served, "")), 401);

    // The token buys a cookie that no script reads and no other site sends, and the place that the cookie is for.
    let entered = sign_in(&served, served.token());
    let (cookie, place) = bought(&entered);
    let rules = header(&entered, "set-cookie").unwrap();
    for rule in ["HttpOnly", "SameSite=Strict", &format!("Path={place};")] {
        assert!(rules.contains(rule), "{rule}: {rules}");
    }
    assert!(place.len() > 64, "nobody guesses it: {place}");
    for (what, secret) in [("cookie", &cookie), ("place", &place)] {
        assert!(!secret.contains(served.token()), "the {what} is not the token");
    }
    assert!(!cookie.contains(&place[1..]), "nor is one of the two the other");
    let home = format!("{place}/home");
    let answer = get(&home, &[("Cookie", &cookie)]);
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.contains("Spanish 101"), "{answer}");

    // Neither alone is of any use, nor is the token.
    assert_eq!(status(&get(&home, &[])), 401);
    for no in [
        "cuecard=".to_owned(),
        format!("cuecard={}", served.token()),
        format!("cuecard={}", &place[1..]),
    ] {
        assert_eq!(status(&get(&home, &[("Cookie", &no)])), 401, "{no}");
    }
    for path in [
        "/home",
        "/api/home",
        "//home",
        &format!("/{}/home", "0".repeat(64)),
        &format!("{place}x/home"),
    ] {
        assert_eq!(status(&get(path, &[("Cookie", &cookie)])), 404, "{path}");
    }

    // With both, too: not for another site, nor under another name.
    for origin in [
        "http://evil.example",
        "null",
        "https://127.0.0.1:1",
        "http://127.0.0.1:1",
    ] {
        let answer = get(&home, &[("Cookie", &cookie), ("Origin", origin)]);
        assert_eq!(status(&answer), 403, "{origin}: {answer}");
    }
    for site in ["cross-site", "same-site"] {
        let answer = get(&home, &[("Cookie", &cookie), ("Sec-Fetch-Site", site)]);
        assert_eq!(status(&answer), 403, "{site}: {answer}");
    }
    let port = served.authority().rsplit(':').next().unwrap();
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1",
        "127.0.0.1:1",
        "",
    ] {
        let asked =
            format!("GET {home} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&served.ask(&asked)), 421, "{host}");
        let asked = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&served.ask(&asked)), 421, "{host}");
    }
    let local = format!(
        "GET {home} HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(status(&served.ask(&local)), 200);

    // What changes something says where it comes from, and is JSON: a form of another site can be neither.
    let cut = |headers: &[(&str, &str)]| {
        status(&request(
            &served,
            &format!("POST {place}/stage/cut"),
            headers,
            "{}",
        ))
    };
    let (origin, json) = (("Origin", served.origin()), ("Content-Type", "application/json"));
    let cookie = ("Cookie", cookie.as_str());
    assert_eq!(cut(&[cookie, json]), 403, "no origin");
    assert_eq!(
        cut(&[cookie, origin, ("Content-Type", "text/plain")]),
        415,
        "no JSON"
    );
    // It is the guard that says so, before anything is made of the body.
    let plain = [cookie, origin, ("Content-Type", "text/plain")];
    let answer = request(&served, &format!("POST {place}/stage/cut"), &plain, "{}");
    assert!(answer.ends_with("this takes JSON"), "{answer}");
    assert_eq!(cut(&[origin, json]), 401, "no cookie");
    assert_eq!(cut(&[cookie, origin, json]), 200);

    // And nobody makes it swallow more than it should.
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(100_000));
    let write = format!("POST {place}/stage/write");
    assert_eq!(
        status(&request(&served, &write, &[cookie, origin, json], &large)),
        413
    );
    assert_eq!(status(&request(&served, "POST /", &[origin, json], "{}")), 405);
}

/// Cookies do not know ports: a server of somebody else on this machine, which the person visits with the same browser, is
/// sent all that the browser has for this host, path by path.
#[test]
fn another_server_of_this_machine_is_not_sent_the_cookie() {
    let Some(browser) = Browser::start("the cookie and other servers") else {
        return;
    };
    let served = Served::start(&["--demo"]);
    let page = served.open(&browser);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", other.local_addr().unwrap());
    let visited = std::thread::spawn(move || {
        // The visit, and whatever that page asks of its own server: until it asks for what ends this.
        let mut heard = String::new();
        while !heard.contains("GET /the-end") {
            let (mut stream, _) = other.accept().unwrap();
            let mut bytes = vec![0; 8192];
            let count = stream.read(&mut bytes).unwrap();
            heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
            let body = "<!doctype html><title>theirs</title>";
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: theirs=1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
        heard
    });
    page.go_to(&format!("{address}/"));
    let seen = page.eval(
        "(async () => { for (const path of ['/', '/home', '/session', '/api/home', '/the-end']) await fetch(path, { credentials: 'include' }); \
         return [document.cookie, Object.keys(localStorage).length]; })()",
    );
    let heard = visited.join().unwrap();
    assert!(
        heard.contains("theirs=1"),
        "cookies of this host are sent: {heard}"
    );
    assert!(!heard.contains("cuecard"), "{heard}");
    assert_eq!(
        seen,
        serde_json::json!(["theirs=1", 0]),
        "nor can its scripts read anything of ours"
    );
    // The way back is open: what the page was given is still there.
    page.go_to(served.origin());
    page.wait_for("document.body.classList.contains('ready') && document.querySelector('.row.entry')");
}

#[test]
fn every_answer_carries_the_policy_and_no_part_of_the_page_goes_around_it() {
    let served = Served::start(&["--demo"]);
    for path in ["/", "/app.js", "/style.css", "/nothing", "/home", "/session"] {
        let answer = request(&served, &format!("GET {path}"), &[], "");
        let policy = header(&answer, "content-security-policy").unwrap_or_else(|| panic!("{answer}"));
        // Word for word: one that is left out, or says more, goes unnoticed otherwise.
        let rules: Vec<&str> = policy.split(';').map(str::trim).collect();
        assert_eq!(
            rules,
            [
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self'",
                "media-src 'self'",
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
                "trusted-types 'none'",
            ],
            "{path}"
        );
        assert_eq!(
            header(&answer, "x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(header(&answer, "referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(header(&answer, "x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(header(&answer, "cache-control"), Some("no-store"), "{path}");
    }
}

#[test]
fn the_scripts_make_no_markup_of_strings_and_fetch_from_nowhere_else() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let mut scripts = 0;
    let index = std::fs::read_to_string(folder.join("index.html")).unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".js") {
            scripts += 1;
            // Else the browser would find out about it one round after the other.
            assert!(
                index.contains(&format!("=\"/{name}\"")),
                "{name} is not asked for at once"
            );
            let never = [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "DOMParser",
                "createContextualFragment",
                "eval(",
                "new Function",
                "srcdoc",
                "setHTML",
                "javascript:",
                "import(",
                ".cssText",
            ];
            for never in never {
                assert!(!text.contains(never), "{name} has {never}");
            }
        }
        let elsewhere = text.match_indices("://").filter(|(at, _)| {
            // The name of the SVG format is a name, and nothing that is fetched.
            !text[..*at].ends_with("http") || !text[*at..].starts_with("://www.w3.org/2000/svg")
        });
        assert_eq!(elsewhere.count(), 0, "{name} names another place");
    }
    assert!(scripts > 10, "{scripts}");
}

#[test]
fn ctrl_c_ends_it_while_a_page_listens() {
    let mut served = Served::start(&["--demo"]);
    let entered = sign_in(&served, served.token());
    let (cookie, place) = bought(&entered);
    // A page that listens for what happens holds its connection for as long as it can.
    let mut listener = std::net::TcpStream::connect(served.authority()).unwrap();
    let host = served.authority();
    let listen = format!("GET {place}/live HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n");
    std::io::Write::write_all(&mut listener, listen.as_bytes()).unwrap();
    let mut first = [0; 15];
    std::io::Read::read_exact(&mut listener, &mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    let killed = std::process::Command::new("kill")
        .args(["-INT", &served.pid().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(served.wait().code(), Some(130));
}
