//! The committed reference of conditions, reasons and checks is what the types say of themselves.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test compares files of the repository"
)]

use std::fmt::Write;

use casskop_common::{
    api::{NodeApiKind, OperationReason},
    checks::CheckName,
    conditions::{Action, Reason},
    operations::support::{Feature, RELEASES},
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

const TRANSPORTS: [(NodeApiKind, &str); 2] = [
    (NodeApiKind::Jolokia, "Jolokia"),
    (NodeApiKind::ManagementApi, "Management API"),
];

/// The operations that a node has a way to do, by transport and release.
fn node_api() -> String {
    let mut text = "# Operations by transport and release\n\nWritten from the types by `make docs`; the transports themselves: [the Management API](../management-api.md). An operation without a way is refused before anything is called.\n\n| operation |".to_owned();
    let columns = || {
        let each = |(kind, name)| RELEASES.map(|release| (kind, name, release));
        TRANSPORTS.into_iter().flat_map(each)
    };
    for (_, name, (major, minor)) in columns() {
        write!(text, " {name}, {major}.{minor} |").expect("a string takes it");
    }
    text += "\n|---|";
    text += &"---|".repeat(columns().count());
    let mut gaps = String::new();
    for feature in Feature::all() {
        write!(text, "\n| `{}` |", feature.words()).expect("a string takes it");
        for (kind, _, release) in columns() {
            text += match feature.gap(kind, release) {
                None => " yes |",
                Some(_) => " no |",
            };
        }
        for (kind, name) in TRANSPORTS {
            let gap = RELEASES
                .iter()
                .find_map(|release| feature.gap(kind, *release));
            if let Some(gap) = gap {
                writeln!(
                    gaps,
                    "| `{}` | {name} | {} | {} |",
                    feature.words(),
                    gap.lack,
                    gap.instead
                )
                .expect("a string takes it");
            }
        }
    }
    text += "\n\n## Gaps, and the ways that work\n\n| operation | transport | it | instead |\n|---|---|---|---|\n";
    text + &gaps
}

fn is_committed(file: &str, written: &str) {
    let path = format!("{}/../docs/reference/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, written).expect("docs/reference is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == written,
        "docs/reference/{file} differs from the types; run `make docs` and look at the difference"
    );
}

#[test]
fn committed_reference_is_up_to_date() {
    is_committed("conditions.md", &reference());
    is_committed("node-api.md", &node_api());
}
