//! Why a cluster does not progress, in words. Pure.

use casskop_common::api::CassandraCluster;
use jiff::Timestamp;

use super::status;
use crate::{
    model::explain::finding::{Finding, Severity},
    terminal::colors::{Style, Tone},
    time::between,
};

/// The first reason with what would change it; the others below.
pub fn render(
    cluster: &CassandraCluster,
    reasons: &[Finding],
    now: Timestamp,
    style: Style,
) -> String {
    let mut lines = vec![status::title(cluster, style)];
    let Some((first, others)) = reasons.split_first() else {
        let text = "Nothing is blocked: the cluster matches the spec, and no operation is pending.";
        lines.extend([String::new(), style.paint(Tone::Good, text)]);
        return lines.join("\n") + "\n";
    };
    lines.push(String::new());
    lines.extend(finding_lines(first, now, style));
    if !others.is_empty() {
        lines.extend([String::new(), style.paint(Tone::Strong, "Besides")]);
        for other in others {
            lines.extend(
                finding_lines(other, now, style)
                    .into_iter()
                    .map(|line| format!("  {line}")),
            );
        }
    }
    lines.join("\n") + "\n"
}

fn finding_lines(reason: &Finding, now: Timestamp, style: Style) -> Vec<String> {
    let (word, tone) = match reason.severity {
        Severity::HeldUp => ("Held up", Tone::Bad),
        Severity::AtWork => ("At work", Tone::Busy),
    };
    let since = reason
        .since
        .map(|since| format!(" for {}", between(since, now)));
    let title = style.paint(tone, &format!("{word}{}", since.unwrap_or_default()));
    let why = match reason.message.as_str() {
        "" => reason.word.clone(),
        message if reason.word.is_empty() => message.to_owned(),
        message => format!("{}: {message}", reason.word),
    };
    let next = reason.next.iter().map(|next| {
        let arrow = style.paint(Tone::Hint, "next:");
        format!("  {arrow} {next}")
    });
    std::iter::once(format!("{title}: {why}"))
        .chain(next)
        .collect()
}
