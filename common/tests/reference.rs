//! The committed reference of conditions, reasons and checks is what the types say of themselves.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test compares files of the repository"
)]

use std::fmt::Write;

use casskop_common::{
    api::OperationReason,
    checks::CheckName,
    conditions::{Action, Reason},
};

fn table<'a>(title: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = format!("\n## {title}\n\n| word | meaning |\n|---|---|\n");
    for (word, meaning) in rows {
        writeln!(text, "| `{word}` | {} |", meaning.trim()).expect("a string takes it");
    }
    text
}

fn reference() -> String {
    let mut text = "# Words of the status\n\nWritten from the types by `make docs`; the conditions themselves: [the cluster](../cluster.md).\n".to_owned();
    let reasons = Reason::ALL.iter().filter(|reason| {
        // The actions have a table of their own.
        Action::from_word(reason.as_str()).is_none()
    });
    text += &table(
        "Reasons of conditions",
        reasons.map(|reason| (reason.as_str(), reason.meaning())),
    );
    text += &table(
        "Actions: `lastClusterAction`, `cassandraLastAction.name`, and the reason of `Progressing` meanwhile",
        Action::ALL
            .iter()
            .map(|action| (action.as_str(), action.meaning())),
    );
    text += &table(
        "Reasons of operations",
        OperationReason::ALL
            .iter()
            .map(|reason| (reason.as_str(), reason.meaning())),
    );
    text += &table(
        "Checks",
        CheckName::ALL
            .iter()
            .map(|check| (check.as_str(), check.meaning())),
    );
    text
}

#[test]
fn committed_reference_is_up_to_date() {
    let path = format!(
        "{}/../docs/reference/conditions.md",
        env!("CARGO_MANIFEST_DIR")
    );
    let written = reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &written).expect("docs/reference is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == written,
        "docs/reference/conditions.md differs from the types; run `make docs` and look at the difference"
    );
}
