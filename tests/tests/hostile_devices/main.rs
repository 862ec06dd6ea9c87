//! A modified device, linked to an honest one: each attack by name, what it costs the attacker, and that the deck is
//! unharmed: as it was, still editable, still to be opened from its disk, and still passed on to who joins.
//!
//! Attacks on who may change a deck:
//!
//! | attack | test | what it comes to |
//! |---|---|---|
//! | a forged change or seal among slices that are held | `in_order::what_is_wrong_among_what_is_held_ends_it_there` | what goes before it counts; by name |
//! | forged seal | `authority::a_forged_seal_is_refused_by_name` | "the signature of this record is wrong" |
//! | on the editor, in its own term | `terms::changes_of_anothers_term_need_its_holders_seal` | "a term that this very process opened" |
//! | replay into another deck | `authority::what_was_signed_for_another_deck_is_refused_by_name` | "belongs to another deck"; altered, or a seal: "the signature" |
//! | replay into another term | `authority::what_was_sealed_in_another_term_is_refused_by_name` | "not over the end of this slice"; altered: "the signature" |
//! | an ex-holder goes on sealing | `authority::an_old_term_is_not_gone_on_with_after_its_handover` | `LateWorkWaiting`, `AfterLeaving` |
//! | back-dated change, back-dated handover | `authority::what_is_dated_back_moves_nothing` | `TwoSeals`; what is settled stands |
//! | self-made grant | `terms::a_handover_to_oneself_is_refused` | "only the holder of a term" |
//! | claim without the right to hold | `terms::claims_by_who_may_not_hold_the_role_count_for_nothing_and_are_not_kept_without_end` | `ClaimRefused` |
//! | charter by one who is not the owner | `authority::a_charter_by_one_who_is_not_the_owner_is_refused_by_name` | "not signed by the deck's owner" |
//! | two seals | `cheats::two_seals_of_one_term_are_proved_to_everybody` | `TwoSeals`, kept as proof |
//! | two seals, so that the deck is never compacted again | `forked::*` | it is; the proof and both lines stay |
//! | flood of drafts | `drafts::a_flood_of_drafts_is_refused_by_name` | `DraftRefused`, `TooMany` |
//! | a draft too large | `drafts::a_draft_beyond_its_quota_ends_the_link` | "beyond its quota" |
//! | flood of records | `cheats::a_flood_of_handovers_is_refused_by_name` | "more terms that are not part of the deck" |
//! | flood of claims cut at what does not exist | `floods::a_flood_of_claims_that_are_cut_at_nothing_is_refused_by_name` | "more terms that are not part of the deck" |
//! | flood of made-up terms while what is settled is kept back | `floods::terms_made_up_while_what_is_settled_is_missing_end_at_the_quota_and_the_way_there_cannot_be_made_up` | not kept beyond the quota; "not the terms that lead to what the owner settled" |
//! | flood of transfers by a former owner | `leaving::transfers_without_end_by_a_former_owner_are_refused_by_name` | "more transfers by one owner" |
//! | going on in a term after the right was taken | `leaving::one_that_lost_the_right_does_not_go_on_in_its_term` | late work |
//! | old signs of an editor that is gone | `words::old_signs_of_an_editor_that_is_gone_keep_nobody_from_following` | nothing |
//! | seals over what does not exist, by anybody, by an editor | `beside::seals_over_nothing_*` | nothing |
//! | handovers of a term that the owner ended | `beside::handovers_of_a_term_that_the_owner_ended_are_refused_by_name` | "more terms that are not part of the deck" |
//! | an acceptance beside the path, to lift quotas | `beside::an_acceptance_beside_the_path_lifts_no_quota` | "more changes that are not part of the deck" |
//! | drafts accepted beside the path | `beside::drafts_accepted_beside_the_path_are_offered_to_nobody_and_end_at_a_quota` | "more drafts that are not part of the deck" |
//! | declines beside the path | `beside::declines_beside_the_path_do_not_push_out_the_editors` | nothing |
//! | drafts that grow, accepted beside the path | `spending::drafts_that_grow_beside_the_path_end_at_the_quota_of_bytes` | "more drafts that are not part of the deck" |
//! | a draft that nobody may propose, accepted beside the path | `spending::a_draft_that_came_beside_the_path_and_that_its_author_may_not_propose_is_not_listed` | nothing |
//! | slices that can never fit, each of which had a branch built | `spending::what_can_never_fit_builds_no_branch` | nothing; no branch |
//! | flood of seals over nothing, told to everybody each time | `spending::a_flood_of_seals_over_nothing_is_refused_by_name_and_costs_others_little` | "more seals that are not part of the deck" |
//! | a line beside the deck, piece by piece | `spending::a_line_that_may_not_count_is_told_of_once` | one `LateWorkWaiting` |
//! | names of made-up devices | `spending::names_of_made_up_devices_are_not_kept_without_end` | nothing |
//! | two changes whose hashes begin alike | `beside::two_lines_whose_hashes_begin_alike_are_proved_to_everybody` | `TwoSeals` |
//! | slices put together by one that passes them on | `slices::what_is_accepted_amid_a_slice_is_refused_as_nobody_could_send_it_on` | "a slice begins with what it accepts" |
//! | compressed and endless changes that begin like one that is held | `slices::what_begins_like_a_held_change_is_not_unfolded_to_see_whether_it_is_that` | the end of the link |
//! | a slice as long as it may be, with one seal | `slices::one_as_long_as_it_may_be_can_be_sent_on` | nothing |
//! | old answers to the editor's signs | `words::old_answers_said_again_do_not_make_an_editor_heard` | nothing |
//! | going on after a handover, behind a later claim | `leaving::what_was_written_after_leaving_asks_also_where_a_later_claim_is_built_on_it` | `LateWorkWaiting`, `AfterLeaving` |
//! | an old handover to somebody | `leaving::a_handover_that_does_not_count_tells_nobody_that_it_has_the_role` | nothing |
//! | a denial by one that is not the editor, requests without a pause | `words::a_denial_by_another_is_nothing_and_a_request_is_heard_every_five_seconds` | nothing |
//! | flood of words | `words::who_never_stops_talking_is_thrown_out` | "more words about the role" |
//! | every message, falsely, by a viewer | `viewer::no_message_of_a_viewer_changes_a_deck` | nothing, or the end of the link |
//! | signature for another purpose | `purposes::a_signature_for_another_purpose_is_refused_by_name` | "the signature of this record is wrong" |

//!
//! Attacks on what is ephemeral:
//!
//! | attack | test | what it comes to |
//! |---|---|---|
//! | another's presence, forged | `presence::nobody_shows_another` | "the signature of this record is wrong" |
//! | another's presence, old | `presence::what_was_shown_before_does_not_come_back` | nothing |
//! | presence of one who is no member, passed on | `presence::who_is_no_member_is_not_passed_on` | nothing |
//! | flood of presence | `presence::who_never_stops_showing_itself_is_thrown_out` | not shown, then "more often than a device may" |
//! | questions without end | `presence::who_never_stops_asking_is_thrown_out` | "more often than a device may", "more pings" |
//! | playback by a viewer | `playback::only_the_editor_plays` | `PlaybackRefused`, `NotEditor` |
//! | playback replayed | `playback::what_was_played_before_is_refused` | `PlaybackRefused`, `Replayed` |
//! | playback of an old term | `playback::an_earlier_editor_plays_no_more` | `PlaybackRefused`, `OldTerm` |
//! | playback under a term that nobody has | `playback::a_term_that_never_comes_plays_nothing` | `PlaybackRefused`, `NotEditor` |
//! | flood of playback | `playback::who_never_stops_playing_is_thrown_out` | "more of what is played" |
//! | beyond the limits | `presence::beyond_the_limits_is_refused`, `playback::beyond_the_limits_is_refused` | "beyond the limits", "above its limit" |
//! | an invented clock | `playback::a_neighbour_that_lies_about_the_time_is_not_asked` | nothing, where the editor itself is linked |

mod authority;
mod beside;
mod cheats;
mod drafts;
mod floods;
mod forked;
mod handed;
mod held;
mod in_order;
mod leaving;
mod limits;
mod messages;
mod playback;
mod presence;
mod purposes;
mod reading;
mod slices;
mod spending;
mod terms;
mod together;
mod viewer;
mod words;
mod world;
