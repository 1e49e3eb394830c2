//! The verdicts about the fields of foreign manifests, one line for each field. Pure.

use crate::{
    model::migrate::{Checked, Document, Field, Verdict},
    terminal::colors::{Style, Tone},
    text::plain,
};

/// Width of the longest word for a verdict.
const WIDTH: usize = 9;

/// The objects of a file, each with its fields: those that are in the way of a manifest last.
pub fn render(checked: &Checked, style: Style) -> String {
    let blocks = checked
        .documents
        .iter()
        .map(|document| block(document, style));
    blocks.collect::<Vec<_>>().join("\n")
}

fn block(document: &Document, style: Style) -> String {
    let kind = match document.kind.as_str() {
        "" => "an object without kind",
        kind => kind,
    };
    let title = plain(format!("{kind} {}", document.name).trim_end()).into_owned();
    if document.passed_over {
        return format!("{title}: passed over");
    }
    let mut lines = vec![title];
    let groups = grouped(&document.fields);
    lines.extend(groups.iter().flat_map(|group| written(group, style)));
    let notes = document.notes.iter();
    lines.extend(notes.map(|note| line("note", Tone::Hint, note, style)));
    lines.join("\n")
}

/// Fields that have one verdict.
struct Group<'a> {
    verdict: &'a Verdict,
    names: Vec<&'a str>,
}

/// The verdicts, each with its fields; a field that is supported has a line of its own.
fn grouped(fields: &[Field]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for field in fields {
        let is_own = field.verdict == Verdict::Supported;
        let mut known = groups.iter_mut();
        let known = known.find(|group| {
            *group.verdict == field.verdict && (!is_own || group.names == [field.group.as_str()])
        });
        match known {
            Some(group) if group.names.contains(&field.group.as_str()) => {}
            Some(group) => group.names.push(&field.group),
            None => groups.push(Group {
                verdict: &field.verdict,
                names: vec![&field.group],
            }),
        }
    }
    groups.sort_by_key(|group| order(group.verdict));
    groups
}

fn order(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Supported => 0,
        Verdict::Replaced { .. } => 1,
        Verdict::Ignored { .. } => 2,
        Verdict::Refused { .. } => 3,
        Verdict::Unknown { .. } => 4,
    }
}

fn written(group: &Group<'_>, style: Style) -> Vec<String> {
    let names = group.names.join(", ");
    let next = |next: &str| {
        let arrow = style.paint(Tone::Hint, "next:");
        format!("{:WIDTH$}  {arrow} {}", "", plain(next))
    };
    let (word, tone, text) = match group.verdict {
        Verdict::Supported => ("supported", Tone::Good, names),
        Verdict::Replaced { by } => ("replaced", Tone::Good, format!("{names} by {by}")),
        Verdict::Ignored { reason } => ("ignored", Tone::Busy, format!("{names}: {reason}")),
        Verdict::Refused { reason, .. } => ("refused", Tone::Bad, format!("{names}: {reason}")),
        Verdict::Unknown { .. } => ("unknown", Tone::Bad, names),
    };
    let first = line(word, tone, &text, style);
    match group.verdict {
        Verdict::Refused { next: way, .. } | Verdict::Unknown { next: way } => {
            vec![first, next(way)]
        }
        _ => vec![first],
    }
}

fn line(word: &str, tone: Tone, text: &str, style: Style) -> String {
    let word = style.paint(tone, &format!("{word:WIDTH$}"));
    format!("{word}  {}", plain(text))
}
