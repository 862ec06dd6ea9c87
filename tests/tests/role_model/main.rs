//! The role layer, model-checked. What is explored is the shipping `cuecard::role::Chain`, with real signatures.
//!
//! `exhaustive.rs` searches every story within a bound. A story is a sequence of steps; in each, one run of a device
//! hears *any* part of what was ever signed and then does one thing. So any delivery, loss, delay and reordering between
//! steps is covered, and for every set of records that can come about, every order of arrival and doubling, also where
//! nobody acts upon it (`lab.rs`). Two cores, development build, measured:
//!
//! | model of three devices | what may happen | steps | states | sets in every order | time |
//! |---|---|---|---|---|---|
//! | owner present | edits 2, accepts, handover, release, claim, charter, takeover | 4 | 10,801 | 16,259 | 2.3 s |
//! | owner away | two members: edits 2, accepts, handovers 2, release, claims 2 | 5 | 4,650 | 5,709 | 1.6 s |
//! | crashes | edits 3, accepts, handover, claim, charter, takeover, restarts 2, a copy | 4 | 36,298 | 15,742 | 2.7 s |
//! | long crashes | edits 3, handover, claim, restarts 2, a copy | 5 | 44,317 | 8,284 | 2.5 s |
//! | a cheat | a member signs 2 things of its liking; edits 2, handover, claim, charter, takeover | 3 | 6,099 | 10,462 | 1.6 s |
//! | an owner of earlier | transfer, and the old owner signs what it likes; all of the above | 3 | 9,520 | 9,262 | 1.4 s |
//! | seals apart | everything honest; changes and seals travel apart | 3 | 4,689 | 4,712 | 0.6 s |
//! | claims answered | edits 3, accepts, handover, release, claims 2, a restart; the editor's run answers 2 claims | 4 | 6,904 | 4,146 | 1.2 s |
//!
//! The counts are asserted: a search that becomes another one fails.
//!
//! With `CUECARD_MODEL_STEPS=1`, one step more each (minutes): 84,682 states and 103,338 sets; 17,132 and 21,015;
//! 603,094 and 161,259; 448,674 and 44,170; 138,298 and 178,781; 223,755 and 142,153; 105,672 and 70,243.
//!
//! An edit that opens a term and a takeover sign two items each (three where seals travel apart), so four steps make up
//! to eight signed items and five terms. `CUECARD_MODEL_LUCK` chooses other ids, and so which of two equal siblings wins
//! (0 to 5 were searched; they change some counts a little).
//!
//! `walks.rs` goes further at random: four devices, up to 16 steps, a cheat in two of five walks; each ends on real
//! Automerge documents, through the gate (`replay.rs`). 1,000 of them made 15,983 steps and 5,848 real changes.
//! `can_fail.rs` leaves out one rule at a time and expects the counterexample. `stories.rs` keeps the counterexamples
//! that shaped the scheme.
//!
//! | file | subject |
//! |---|---|
//! | `world` | the devices, and everything that they ever sign |
//! | `plain` | the rules said again as plainly as possible, each of which can be left out |
//! | `lab` | what a device knows that holds a set, built in every order |
//! | `model` | what devices do |
//! | `hostile` | what a device can sign that signs what it likes |
//! | `faults`, `properties` | what must hold |
//! | `words` | what is said leaves no trace |
//!
//! *Words* (requests, denials, signs of the editor, the question before a claim, and what answers them) are not in the
//! states, and cannot matter to the properties, for two reasons. They are no records: no device keeps one, so no set of
//! records has one in it (`words.rs` watches the disks while every kind of word is said). And whatever a device does
//! because of a word is an act that the model lets it do at any time, told or not: to grant is to hand over, to deny is
//! to do nothing, a majority's answer lets a member claim, and a claim is answered by a handover of a run to itself
//! (`Does::Answers`). Words make some of these acts rarer, never possible.
//!
//! *Not modelled*: drafts of devices that never were editor, admissions (they give no right to hold the role:
//! `an_admission_decides_nothing_about_terms` beside the chain), the process that stops when it sees its own clone (here
//! clones go on, which is worse), and time.

mod can_fail;
mod exhaustive;
mod faults;
mod hostile;
mod lab;
mod model;
mod plain;
mod properties;
mod replay;
mod stories;
mod walks;
mod words;
mod world;
