//! The plan of an operation, for `--dry-run`. Pure.

use casskop_common::api::{Check, OperationPhase, OperationStatus};

use crate::{
    model::request::typed,
    terminal::colors::{Style, Tone},
    text::{count, plain},
};

/// The plan in words: nodes in their order, calls, checks with their evidence.
pub fn render(operation: &OperationStatus, style: Style) -> String {
    let mut lines = Vec::new();
    let plan = operation.plan.clone().unwrap_or_default();
    let nodes: usize = plan.waves.iter().map(Vec::len).sum();
    let failing = operation
        .checks
        .iter()
        .filter(|check| check.is_failing())
        .count();
    let verdict = match (operation.phase, failing) {
        (OperationPhase::Refused, _) => style.paint(Tone::Bad, "would be refused."),
        (_, 0) => format!(
            "would run on {} in {}.",
            count(nodes, "node"),
            count(plan.waves.len(), "wave")
        ),
        (_, 1) => style.paint(Tone::Bad, "would not start: a check fails."),
        (_, failing) => style.paint(
            Tone::Bad,
            &format!("would not start: {failing} checks fail."),
        ),
    };
    let request = format!("{} {}", operation.kind, typed(&operation.arguments));
    lines.push(format!("{} {verdict}", plain(request.trim_end())));
    if operation.phase == OperationPhase::Refused && !operation.message.is_empty() {
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
        lines.push(format!("  that is: {}", plain(&plan.call)));
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
    let (word, tone) = match check.passed {
        true => ("passed", Tone::Good),
        false if check.is_failing() => ("FAILED", Tone::Bad),
        false => ("waived", Tone::Busy),
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
