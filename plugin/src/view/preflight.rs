//! Whether an installation fits, one line for each finding. Pure.

use crate::{
    model::preflight::{Finding, Outcome},
    terminal::colors::{Style, Tone},
};

/// Width of the longest word for an outcome.
const WIDTH: usize = 7;

/// The findings, each with its next step.
pub fn render(findings: &[Finding], style: Style) -> String {
    let lines = findings.iter().flat_map(|finding| lines(finding, style));
    lines.map(|line| line + "\n").collect()
}

fn lines(finding: &Finding, style: Style) -> Vec<String> {
    let (word, tone) = match finding.outcome {
        Outcome::Passed => ("ok", Tone::Good),
        Outcome::Warning => ("warning", Tone::Busy),
        Outcome::Unknown => ("unknown", Tone::Busy),
        Outcome::Failed => ("failed", Tone::Bad),
    };
    let word = style.paint(tone, &format!("{word:WIDTH$}"));
    let next = finding.next.iter().map(|next| {
        let arrow = style.paint(Tone::Hint, "next:");
        format!("{:WIDTH$}  {arrow} {next}", "")
    });
    std::iter::once(format!("{word}  {}", finding.message))
        .chain(next)
        .collect()
}
