//! How a command speaks: to people or machines, much or little, with colours or without.

use std::io::{self, IsTerminal as _};

use crate::cli::Global;
use crate::text::Paint;

/// What fits where nobody says how wide it is.
const WIDTH_ASSUMED: usize = 80;

/// How a command speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Lines of JSON.
    pub(crate) json: bool,
    /// Nothing beside what was asked for.
    pub(crate) quiet: bool,
    /// The colours of standard output.
    pub(crate) out: Paint,
    /// The colours of standard error.
    pub(crate) err: Paint,
    progress: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            out: global.color.paint(&io::stdout()),
            err: global.color.paint(&io::stderr()),
            progress: !global.no_progress,
        }
    }

    /// Whether there are bars: on a terminal, where they can be drawn over.
    pub(crate) fn bars(self) -> bool {
        self.progress && !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// How many characters fit beside each other on standard output; no bound in a pipe.
    pub(crate) fn room(self) -> Option<usize> {
        let size = terminal_size::terminal_size_of(io::stdout());
        size.map(|(width, _)| usize::from(width.0))
    }

    /// How many characters fit beside each other on standard error.
    pub(crate) fn width(self) -> usize {
        let size = terminal_size::terminal_size_of(io::stderr());
        size.map_or(WIDTH_ASSUMED, |(width, _)| usize::from(width.0))
    }
}
