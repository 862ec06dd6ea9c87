//! The page's own parts, within the binary.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($name:literal, $mime:expr) => {
        (
            concat!("/", $name),
            $mime,
            include_bytes!(concat!("../../page/", $name)) as &[u8],
        )
    };
}

/// Every part: its path, what it is, its bytes.
pub(super) const ASSETS: &[(&str, &str, &[u8])] = &[
    (
        "/",
        "text/html; charset=utf-8",
        include_bytes!("../../page/index.html"),
    ),
    asset!("style.css", "text/css; charset=utf-8"),
    asset!("icon.svg", "image/svg+xml"),
    asset!("app.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("state.js", SCRIPT),
    asset!("words.js", SCRIPT),
    asset!("scroller.js", SCRIPT),
    asset!("history.js", SCRIPT),
    asset!("graph.js", SCRIPT),
    asset!("timeline.js", SCRIPT),
    asset!("cards.js", SCRIPT),
    asset!("textdiff.js", SCRIPT),
    asset!("deck.js", SCRIPT),
    asset!("entry.js", SCRIPT),
    asset!("compare.js", SCRIPT),
    asset!("conflicts.js", SCRIPT),
    asset!("drafts.js", SCRIPT),
    asset!("devices.js", SCRIPT),
    asset!("live.js", SCRIPT),
    asset!("present.js", SCRIPT),
    asset!("stage.js", SCRIPT),
];

/// One part.
pub(super) fn asset(path: &str) -> Response {
    match ASSETS.iter().find(|(known, ..)| *known == path) {
        Some(&(_, mime, bytes)) => ([(header::CONTENT_TYPE, mime)], bytes).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such part of the page").into_response(),
    }
}
