//! Drafts: written by anybody, decided by the editor, carried by everybody.

mod anew;
mod decided;
mod durable;
mod engines;
mod many;
mod passed_on;
mod policy;
mod quotas;
mod reopened;
mod restarts;
mod world;
