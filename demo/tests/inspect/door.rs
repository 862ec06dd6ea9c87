//! Who is let in, asked by plain HTTP: what no browser would let a page send.

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
        "POST /api/session",
        &headers,
        &format!("{{\"token\":\"{token}\"}}"),
    )
}

#[test]
fn only_who_has_the_token_gets_in_and_only_from_here() {
    let served = Served::start(&["--demo"]);
    let get = |path: &str, headers: &[(&str, &str)]| request(&served, &format!("GET {path}"), headers, "");

    // Without a cookie, or with the token in its place, there is nothing.
    assert_eq!(status(&get("/api/home", &[])), 401);
    let name = format!("cuecard_{}", served.authority().rsplit(':').next().unwrap());
    assert_eq!(
        status(&get(
            "/api/home",
            &[("Cookie", &format!("{name}={}", served.token()))]
        )),
        401
    );
    assert_eq!(status(&sign_in(&served, &"0".repeat(64))), 401);
    assert_eq!(status(&sign_in(&served, "")), 401);

    // The token buys a cookie that no script reads and no other site sends.
    let entered = sign_in(&served, served.token());
    assert_eq!(status(&entered), 200, "{entered}");
    let cookie = header(&entered, "set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains(served.token()), "the cookie is not the token");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let home = get("/api/home", &[("Cookie", &cookie)]);
    assert_eq!(status(&home), 200, "{home}");
    assert!(home.contains("Spanish 101"), "{home}");

    // With the cookie, too: not for another site, nor under another name.
    for origin in [
        "http://evil.example",
        "null",
        "https://127.0.0.1:1",
        "http://127.0.0.1:1",
    ] {
        let answer = get("/api/home", &[("Cookie", &cookie), ("Origin", origin)]);
        assert_eq!(status(&answer), 403, "{origin}: {answer}");
    }
    for site in ["cross-site", "same-site"] {
        let answer = get("/api/home", &[("Cookie", &cookie), ("Sec-Fetch-Site", site)]);
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
        let asked = format!(
            "GET /api/home HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(status(&served.ask(&asked)), 421, "{host}");
        let asked = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&served.ask(&asked)), 421, "{host}");
    }
    let local = format!(
        "GET /api/home HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(status(&served.ask(&local)), 200);

    // What changes something says where it comes from, and is JSON: a form of another site can be neither.
    let cut = |headers: &[(&str, &str)]| status(&request(&served, "POST /api/stage/cut", headers, "{}"));
    let (origin, json) = (("Origin", served.origin()), ("Content-Type", "application/json"));
    let cookie = ("Cookie", cookie.as_str());
    assert_eq!(cut(&[cookie, json]), 403, "no origin");
    assert_eq!(
        cut(&[cookie, origin, ("Content-Type", "text/plain")]),
        415,
        "no JSON"
    );
    assert_eq!(cut(&[origin, json]), 401, "no cookie");
    assert_eq!(cut(&[cookie, origin, json]), 200);

    // And nobody makes it swallow more than it should.
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(100_000));
    assert_eq!(
        status(&request(
            &served,
            "POST /api/stage/write",
            &[cookie, origin, json],
            &large
        )),
        413
    );
    assert_eq!(status(&request(&served, "POST /", &[origin, json], "{}")), 405);
}

#[test]
fn every_answer_carries_the_policy_and_no_part_of_the_page_goes_around_it() {
    let served = Served::start(&["--demo"]);
    for path in ["/", "/app.js", "/style.css", "/nothing", "/api/home"] {
        let answer = request(&served, &format!("GET {path}"), &[], "");
        let policy = header(&answer, "content-security-policy").unwrap_or_else(|| panic!("{answer}"));
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "trusted-types 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
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
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".js") {
            scripts += 1;
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
    let cookie = header(&entered, "set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    // A page that listens for what happens holds its connection for as long as it can.
    let mut listener = std::net::TcpStream::connect(served.authority()).unwrap();
    let host = served.authority();
    let listen = format!("GET /api/live HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n");
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
