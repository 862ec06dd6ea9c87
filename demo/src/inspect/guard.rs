//! Who may look. The page is served on loopback, where every program of this machine, and every page that a browser of
//! it has open, can knock: so whoever asks for data shows a cookie that only the holder of the address got.
//!
//! - The address carries a random token in its *fragment*, which no server and no log sees. The page hands it in once
//!   and gets a cookie that scripts cannot read and other sites cannot send, and the *place* where data is.
//! - Cookies do not know ports: the browser would send ours to every other server of this machine that a person visits,
//!   whoever runs it. So the cookie belongs to the place, a path that is random as well: it goes with requests to that path
//!   alone, which nobody else can name. The page keeps the place where only pages of this very port can read it. Neither
//!   the place nor the cookie is of any use without the other.
//! - `Host` must be loopback with our port, or a name elsewhere could be bent to point here (DNS rebinding).
//! - `Origin`, where there is one, must be ours, and what changes something must have it.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use std::sync::Arc;

use crate::error::Error;

use super::App;

const COOKIE: &str = "cuecard";
/// Where the token is handed in.
pub(super) const DOOR: &str = "/session";

/// What a page may do: nothing but load its own parts. Markup made of strings is refused by the browser itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=()",
    ),
];

/// The secrets of a run, and where it is reached.
pub(super) struct Guard {
    token: String,
    session: String,
    place: String,
    port: u16,
}

impl Guard {
    /// New secrets.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(super) fn new(port: u16) -> Result<Self, Error> {
        Ok(Self {
            token: secret()?,
            session: secret()?,
            place: format!("/{}", secret()?),
            port,
        })
    }

    /// Where to look: the token behind `#` is sent to nobody.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/#token={}", self.port, self.token)
    }

    /// The path below which all data is.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The cookie for whoever has the token. It lives as long as the browser, and is of no use after this run.
    pub(super) fn cookie_for(&self, token: &str) -> Option<String> {
        let cookie = || {
            format!(
                "{COOKIE}={}; Path={}; HttpOnly; SameSite=Strict",
                self.session, self.place
            )
        };
        same(token, &self.token).then(cookie)
    }

    fn has_session(&self, headers: &HeaderMap) -> bool {
        let cookies = headers
            .get_all(header::COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok());
        let mut pairs = cookies
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(key, value)| key == COOKIE && same(value, &self.session))
    }

    fn is_ours(&self, authority: &str) -> bool {
        let hosts = ["127.0.0.1", "localhost", "[::1]"];
        hosts
            .iter()
            .any(|host| authority == format!("{host}:{}", self.port))
    }

    fn refusal(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let headers = request.headers();
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        if !text(header::HOST).is_some_and(|host| self.is_ours(host)) {
            return Some((
                StatusCode::MISDIRECTED_REQUEST,
                "this page is served at 127.0.0.1 only",
            ));
        }
        let origin = text(header::ORIGIN);
        let is_ours = |origin: &str| {
            origin
                .strip_prefix("http://")
                .is_some_and(|host| self.is_ours(host))
        };
        if origin.is_some_and(|origin| !is_ours(origin)) {
            return Some((StatusCode::FORBIDDEN, "another site may not ask this"));
        }
        let path = request.uri().path();
        let site = text(HeaderName::from_static("sec-fetch-site"));
        // A link from elsewhere may lead to the page, which says nothing by itself.
        let is_visit = path == "/" && text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
        if !is_visit && site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return Some((StatusCode::FORBIDDEN, "another site may not ask this"));
        }
        let below = path.strip_prefix(self.place.as_str());
        let is_data = below.is_some_and(|below| below.starts_with('/'));
        if !is_data && path != DOOR {
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            return (!reads).then_some((StatusCode::METHOD_NOT_ALLOWED, "this is only to be read"));
        }
        if request.method() == Method::POST {
            if origin.is_none() {
                return Some((
                    StatusCode::FORBIDDEN,
                    "what changes something must come from the page",
                ));
            }
            if text(header::CONTENT_TYPE) != Some("application/json") {
                return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "this takes JSON"));
            }
        }
        (is_data && !self.has_session(headers)).then_some((
            StatusCode::UNAUTHORIZED,
            "open the address that `cuecard inspect` printed",
        ))
    }
}

/// Before everything: refuses, or lets through; and puts the policy on every answer.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let refusal = app.guard.refusal(&request);
    let mut response = match refusal {
        Some((status, why)) => (status, why).into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

fn secret() -> Result<String, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes()
            .zip(b.bytes())
            .fold(0, |differ, (a, b)| differ | (a ^ b))
            == 0
}
