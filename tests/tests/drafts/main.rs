//! Drafts: written by anybody, decided by the editor, carried by everybody.

mod decided;
mod passed_on;
mod quotas;
mod restarts;
mod world;
