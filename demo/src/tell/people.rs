//! Role, members and drafts, for people.

use crate::ask::told::{CardDiffTold, DeviceTold, DraftTold, LateTold, MemberTold, RoleTold};
use crate::text::{Paint, counted, date_and_time, harmless, padded, shortened, widest};

use super::cards::named;
use super::{Printed, past, short};

/// Who may edit, in a line.
pub(super) fn role_line(role: &RoleTold) -> String {
    let standing = if role.settled { "settled" } else { "provisional" };
    match (&role.editor, role.is.as_str()) {
        (_, "editor") => format!("this device is the editor ({standing})"),
        (Some(editor), _) => format!(
            "the editor is {} {} ({standing}{})",
            shortened(&editor.name, 40),
            short(&editor.id),
            silence(role)
        ),
        (None, _) => format!("nobody is the editor ({standing}); `cuecard role claim` takes the role"),
    }
}

/// `, not heard of since 2025-11-28 20:14`, where that is long.
fn silence(role: &RoleTold) -> String {
    match (role.silent, role.heard_ms) {
        (false, _) => String::new(),
        (true, Some(at)) => format!(", not heard of since {}", date_and_time(at)),
        (true, None) => ", not heard of".to_owned(),
    }
}

pub(super) fn role(role: &RoleTold, did: Option<&str>, paint: Paint) -> Printed {
    let line = format!("{}\n", paint.bold(&role_line(role)));
    Printed::from(line).beside(&did.map(harmless).unwrap_or_default())
}

pub(super) fn members(members: &[MemberTold], did: Option<&str>, paint: Paint) -> Printed {
    let width = widest(members.iter().map(|member| named(&member.device)));
    let lines: String = members
        .iter()
        .map(|member| {
            let by = member.admitted_by.as_ref().map_or_else(String::new, |by| {
                format!("  let in by {}", shortened(&by.name, 40))
            });
            let linked = match (member.device.here, member.linked) {
                (false, true) => "  linked",
                _ => "",
            };
            format!(
                "{}  {}  {:5}{by}{linked}\n",
                paint.dim(short(&member.device.id)),
                paint.bold(&padded(&named(&member.device), width)),
                member.rights
            )
        })
        .collect();
    Printed::from(lines).beside(&did.map(harmless).unwrap_or_default())
}

fn by(author: &DeviceTold) -> String {
    format!("by {}", named(author))
}

fn draft_line(draft: &DraftTold, paint: Paint) -> String {
    let mut state = draft.state.clone();
    if !draft.delivered_to.is_empty() {
        state.push_str(&format!(" to {}", shortened(&draft.delivered_to.join(", "), 60)));
    }
    if let Some(reason) = &draft.reason {
        state.push_str(&format!(" {}", shortened(reason, 80)));
    }
    format!(
        "{}  {}  {}, {}, {}, {state}\n",
        paint.dim(short(&draft.id)),
        paint.bold(&shortened(&draft.note, 40)),
        by(&draft.author),
        counted(draft.changes, "change", "changes"),
        date_and_time(draft.time_ms),
    )
}

pub(super) fn drafts(drafts: &[DraftTold], paint: Paint) -> Printed {
    let lines: String = drafts.iter().map(|draft| draft_line(draft, paint)).collect();
    let printed = Printed::from(lines);
    match drafts {
        [] => printed.beside("no drafts; `cuecard draft new NOTE` begins one"),
        _ => printed,
    }
}

pub(super) fn draft(
    draft: &DraftTold,
    preview: Option<&[CardDiffTold]>,
    did: Option<&str>,
    paint: Paint,
) -> Printed {
    let mut out = draft_line(draft, paint);
    if let Some(preview) = preview {
        out.push_str(&past::diffs(preview, paint));
    }
    let id = short(&draft.id);
    let next = match (did, draft.state.as_str()) {
        (Some("began" | "wrote anew"), _) => format!(
            "`cuecard add FRONT BACK --draft {id}` and others change it; `cuecard draft propose {id}` offers it to the editor"
        ),
        (Some("proposed"), _) => {
            "it is offered to the editor as soon as there is a way; `cuecard up` makes one".to_owned()
        }
        (None, "proposed") if !draft.author.here => {
            format!(
                "`cuecard draft accept {id}` makes it part of the deck, `cuecard draft decline {id}` does not"
            )
        }
        _ => String::new(),
    };
    let did = did.map_or_else(String::new, |did| format!("{did} the draft"));
    Printed::from(out).beside(&did).beside(&next)
}

pub(super) fn late(late: &[LateTold], did: Option<&str>, paint: Paint) -> Printed {
    let lines: String = late
        .iter()
        .map(|late| {
            let after = if late.after_leaving {
                ", written after the role was given away"
            } else {
                ""
            };
            format!(
                "{}  {}, {}{after}\n",
                paint.dim(short(&late.head)),
                by(&late.author),
                counted(late.changes, "change", "changes")
            )
        })
        .collect();
    let printed = Printed::from(lines);
    match (did, late) {
        (Some(did), _) => printed.beside(&format!("{did} the late work")),
        (None, []) => printed.beside("no late work: all that was written is part of the deck"),
        _ => printed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editor_that_is_silent_is_said_to_be_and_since_when() {
        let told = |silent, heard_ms| {
            role_line(&RoleTold {
                is: "viewer".to_owned(),
                editor: Some(DeviceTold {
                    id: "8a88e3dd7409".to_owned(),
                    name: "laptop".to_owned(),
                    here: false,
                }),
                settled: true,
                silent,
                heard_ms,
            })
        };
        assert_eq!(
            told(false, Some(1_764_360_000_000)),
            "the editor is laptop 8a88e3dd (settled)"
        );
        assert_eq!(
            told(true, Some(1_764_360_000_000)),
            "the editor is laptop 8a88e3dd (settled, not heard of since 2025-11-28 20:00:00)"
        );
        assert_eq!(
            told(true, None),
            "the editor is laptop 8a88e3dd (settled, not heard of)"
        );
    }
}
