//! What a page asks of, how much it is answered at once, and how it is told that there is no answer.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cuecard::{DeckId, DraftId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::book::Book;

/// Lines, or cards, of one answer.
pub(super) const PAGE_MAX: usize = 400;
/// Cards of one comparison that are told; how many there are is said beside.
pub(super) const DIFF_MAX: usize = 300;
/// Entries of one run, or of one card, that are listed.
pub(super) const LISTED_MAX: usize = 200;

/// Why something was not answered. (Not an error type, so that every error becomes one.)
#[derive(Debug)]
pub(super) struct Oops {
    status: StatusCode,
    why: String,
}

impl Oops {
    /// In words.
    pub(super) fn why(&self) -> &str {
        &self.why
    }

    pub(super) fn missing(why: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            why: why.into(),
        }
    }
}

impl<E: ToString> From<E> for Oops {
    fn from(error: E) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            why: error.to_string(),
        }
    }
}

impl IntoResponse for Oops {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.why }))).into_response()
    }
}

pub(super) type Answer = Result<Json<Value>, Oops>;

/// Which deck of which device.
#[derive(Deserialize)]
pub(super) struct Of {
    pub(super) peer: usize,
    pub(super) deck: String,
    pub(super) hash: Option<String>,
    pub(super) card: Option<String>,
    pub(super) draft: Option<String>,
    pub(super) blob: Option<String>,
    pub(super) term: Option<String>,
    pub(super) head: Option<String>,
}

impl Of {
    pub(super) fn book(&self, app: &App) -> Result<Arc<Book>, Oops> {
        let deck = self.deck.parse::<DeckId>()?;
        app.book(self.peer, deck)
            .ok_or_else(|| Oops::missing("this device has no such deck"))
    }

    pub(super) fn draft(&self) -> Result<DraftId, Oops> {
        Ok(self.draft.as_deref().unwrap_or_default().parse()?)
    }
}

/// What asks for nothing beside where it stands.
#[derive(Deserialize)]
pub(super) struct Nothing {}
