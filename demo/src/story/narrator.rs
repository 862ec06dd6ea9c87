//! Tells a person what happens, on standard error.

use std::time::Instant;

use crate::text::{Paint, harmless, say_under};

/// What is told of a step stands behind the time and its number.
const STEP: usize = 15;

/// A voice; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Narrator {
    began: Instant,
    paint: Paint,
}

impl Narrator {
    pub(super) fn new(paint: Paint) -> Self {
        Self {
            began: Instant::now(),
            paint,
        }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// A step begins.
    pub(super) fn step(&self, number: usize, of: usize, what: &str) {
        self.line(STEP, &self.paint.bold(&format!("{number:2}/{of} {what}")));
    }

    /// Something of note.
    pub(super) fn note(&self, what: &str) {
        self.line(STEP, &format!("      {}", harmless(what)));
    }

    /// Something was checked.
    pub(super) fn check(&self, what: &str, ok: bool) {
        let mark = if ok {
            self.paint.good("ok")
        } else {
            self.paint.bad("NOT SO")
        };
        self.line(STEP + 4, &format!("      {mark}  {what}"));
    }

    /// A process is killed.
    pub(super) fn kill(&self, name: &str) {
        let kill = self.paint.bad("kill");
        self.line(STEP, &format!("      {kill}  the {name}, by SIGKILL"));
    }

    fn line(&self, indent: usize, text: &str) {
        let time = self.paint.dim(&format!("{:5.1} s", self.seconds()));
        say_under(&format!("{time}  {text}"), indent);
    }
}
