//! What the operator would do: the answer to `--dry-run`. Pure.

use casskop_common::api::{Check, OperationPhase, OperationStatus};

use super::style::{Style, Tone};
use crate::text::{count, plain};

/// The plan in words: nodes in their order, calls, checks with what they saw.
pub fn render(operation: &OperationStatus, style: Style) -> String {
    let mut lines = Vec::new();
    let plan = operation.plan.clone().unwrap_or_default();
    let nodes: usize = plan.waves.iter().map(Vec::len).sum();
    let title = match operation.phase {
        OperationPhase::Refused => style.paint(Tone::Bad, "would be refused"),
        _ => format!(
            "would run on {} in {}",
            count(nodes, "node"),
            count(plan.waves.len(), "wave")
        ),
    };
    let arguments = shlex::split(&operation.arguments).unwrap_or_default();
    let arguments = arguments
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with("--dry-run"));
    let request: Vec<&str> = std::iter::once(operation.kind.as_str())
        .chain(arguments)
        .collect();
    lines.push(format!("{} {title}.", plain(&request.join(" "))));
    if !operation.message.is_empty() {
        lines.push(plain(&operation.message).into_owned());
    }
    if !plan.waves.is_empty() {
        lines.extend([
            String::new(),
            style.paint(Tone::Strong, "Waves, one after the other"),
        ]);
        let width = plan.waves.len().to_string().len();
        for (number, wave) in plan.waves.iter().enumerate() {
            lines.push(format!(
                "  {:>width$}  {}",
                number + 1,
                plain(&wave.join(", "))
            ));
        }
    }
    if !plan.steps.is_empty() {
        lines.extend([
            String::new(),
            style.paint(Tone::Strong, "Steps on each node"),
        ]);
        lines.extend(plan.steps.iter().map(|step| format!("  {}", plain(step))));
    }
    if !plan.call.is_empty() {
        lines.push(format!("  each a call of {}", plain(&plan.call)));
    }
    if !operation.checks.is_empty() {
        lines.extend([String::new(), style.paint(Tone::Strong, "Checks")]);
        let width = operation
            .checks
            .iter()
            .map(|check| check.name.len())
            .max()
            .unwrap_or(0);
        lines.extend(
            operation
                .checks
                .iter()
                .map(|check| line(check, width, style)),
        );
    }
    lines.join("\n") + "\n"
}

fn line(check: &Check, width: usize, style: Style) -> String {
    let (word, tone) = if check.passed {
        ("passed", Tone::Good)
    } else {
        ("FAILED", Tone::Bad)
    };
    let evidence = plain(&check.evidence);
    format!(
        "  {}  {:width$}  {evidence}",
        style.paint(tone, word),
        check.name
    )
    .trim_end()
    .to_owned()
}
