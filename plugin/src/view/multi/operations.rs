//! Operations on all sites. Pure.

use casskop_common::api::{MultiCasskopStatus, MultiOperation, SiteOperation};

use crate::{
    terminal::{colors::Tone, columns},
    text::plain,
    time::between,
    view::{operation::phase_tone, operations::titled, options::View},
};

/// The newest of each kind, with how it stands in every site.
pub fn newest(status: &MultiCasskopStatus, view: View) -> Vec<String> {
    let operations = status.operations.iter();
    let lines = operations.flat_map(|operation| block(operation, view));
    titled("Operations", lines.collect(), view.style)
}

fn block(operation: &MultiOperation, view: View) -> Vec<String> {
    let View { now, style, .. } = view;
    let phase = style.paint(phase_tone(operation.phase), operation.phase.as_str());
    let (kind, id) = (plain(operation.kind.as_str()), plain(&operation.id));
    let mut facts = vec![format!("{kind} {id}: {phase}")];
    let at = |time: &Option<_>| {
        time.as_ref()
            .map(|time: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time| time.0)
    };
    facts.extend(
        match (at(&operation.requested_at), at(&operation.finished_at)) {
            (_, Some(finished)) => Some(format!("{} ago", between(finished, now))),
            (Some(requested), None) => Some(format!("for {}", between(requested, now))),
            _ => None,
        },
    );
    let mut lines = vec![facts.join(", ")];
    if !operation.message.is_empty() {
        lines.push(format!("  {}", plain(&operation.message)));
    }
    let rows: Vec<_> = operation.sites.iter().map(row).collect();
    let laid = columns::lay(&rows, 2, style);
    lines.extend(laid.lines().map(|line| format!("  {line}")));
    lines
}

fn row(site: &SiteOperation) -> Vec<columns::Cell> {
    let (words, tone) = match site.phase {
        Some(phase) => (phase.as_str(), phase_tone(phase)),
        None if site.requested => ("handed over", Tone::Busy),
        None => ("comes later", Tone::Dim),
    };
    vec![
        (plain(&site.site).into_owned(), Tone::Plain),
        (words.to_owned(), tone),
        (plain(&site.message).into_owned(), Tone::Plain),
    ]
}
