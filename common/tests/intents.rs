//! The intent protocol as a user meets it: what is understood, and what is said to what is not.

use std::collections::BTreeMap;

use casskop_common::{
    intent::{Intents, Request},
    operations::Operation,
};
use proptest::prelude::*;

fn parse(pairs: &[(&str, &str)]) -> Intents {
    let annotations: BTreeMap<String, String> = pairs
        .iter()
        .map(|(key, value)| {
            (
                format!("operations.db.orange.com/{key}"),
                (*value).to_owned(),
            )
        })
        .collect();
    Intents::parse(&annotations)
}

fn complaint(key: &str, value: &str) -> String {
    let intents = parse(&[(key, value)]);
    assert!(
        intents.requests.is_empty(),
        "nothing is asked for by {key}={value}"
    );
    assert_eq!(
        intents.invalid.len(),
        1,
        "one complaint about {key}={value}"
    );
    intents.invalid[0].message.clone()
}

#[test]
fn a_request_has_an_id_and_the_flags_of_the_command_line() {
    let intents = parse(&[(
        "cleanup",
        "2026-11-22a --dc dc1 --keyspace orders --keyspace=users --jobs 2",
    )]);
    let request = &intents.requests["cleanup"];
    assert_eq!(request.id, "2026-11-22a");
    assert_eq!(request.arguments.shared.target.dc, ["dc1"]);
    let Operation::Cleanup(cleanup) = &request.arguments.operation else {
        unreachable!("a cleanup was asked for")
    };
    assert_eq!(cleanup.tables.keyspace, ["orders", "users"]);
    assert_eq!(cleanup.jobs, Some(2));
    assert!(!request.is_dry_run());
    assert_eq!(
        request.value(),
        "2026-11-22a --keyspace orders --keyspace users --jobs 2 --dc dc1",
        "canonical form"
    );
}

#[test]
fn a_bare_id_is_the_whole_cluster() {
    let intents = parse(&[("flush", "ticket-42")]);
    assert_eq!(intents.requests["flush"].value(), "ticket-42");
    assert!(intents.invalid.is_empty());
}

#[test]
fn dry_run_is_the_operators_in_an_annotation() {
    for value in ["x --dry-run", "x --dry-run=server"] {
        assert!(parse(&[("cleanup", value)]).requests["cleanup"].is_dry_run());
    }
    insta::assert_snapshot!(complaint("cleanup", "x --dry-run=client"));
}

#[test]
fn what_is_wrong_is_said_with_the_nearest_word() {
    let complaints: Vec<String> = [
        ("cleanup", ""),
        ("cleanup", "two words"),
        ("cleanup", "-x"),
        ("cleanup", "id/with/slashes"),
        ("cleanup", "a --keyspce orders"),
        ("cleanup", "a --keyspace 'ord ers'"),
        ("cleanup", "a --keyspace a --keyspace b --table t"),
        ("cleanup", "a --table t"),
        ("cleanup", "a --jobs many"),
        ("cleanup", "a --jobs -1"),
        ("cleanup", "a --dc DC1"),
        ("cleanup", "a 'unfinished"),
        ("cleanup", "a --help"),
        ("claenup", "a"),
        ("help", "a"),
        ("cleanup.stop", "a"),
        ("cleanup.pause", "a b"),
        ("cleanup.waive", "a"),
        ("reconcile", "pause"),
    ]
    .into_iter()
    .map(|(key, value)| format!("{key}: {value:?}\n    {}", complaint(key, value)))
    .collect();
    insta::assert_snapshot!(complaints.join("\n"));
}

#[test]
fn controls_quote_the_id() {
    let intents = parse(&[
        ("cleanup.pause", "a"),
        ("cleanup.cancel", "b"),
        ("cleanup.retry", "c"),
        ("cleanup.waive", "d nodes-up,ring-settled"),
        ("reconcile", "paused"),
    ]);
    let controls = &intents.controls["cleanup"];
    assert_eq!(controls.pause.as_deref(), Some("a"));
    assert_eq!(controls.cancel.as_deref(), Some("b"));
    assert_eq!(controls.retry.as_deref(), Some("c"));
    let waived = (
        "d".to_owned(),
        vec!["nodes-up".to_owned(), "ring-settled".to_owned()],
    );
    assert_eq!(controls.waive, Some(waived));
    assert!(intents.reconcile_paused && intents.invalid.is_empty());
}

#[test]
fn one_bad_annotation_disturbs_no_other() {
    let intents = parse(&[("cleanup", "bad --nope"), ("flush", "good")]);
    assert_eq!(intents.requests.keys().collect::<Vec<_>>(), ["flush"]);
    assert_eq!(intents.invalid.len(), 1);
}

#[test]
fn annotations_of_others_are_passed_over() {
    let annotations = [(
        "kubectl.kubernetes.io/restartedAt".to_owned(),
        "x y z".to_owned(),
    )]
    .into();
    assert_eq!(Intents::parse(&annotations), Intents::default());
}

proptest! {
    /// Values come from Git: whatever stands there, it is understood or told, with a bounded message.
    #[test]
    fn any_value_is_understood_or_told(kind in "[a-z.]{1,12}|cleanup|flush|remove|replace|rebuild|repair|snapshot|restart|scrub|refresh|cleanup\\.waive|reconcile", value in "\\PC{0,200}|[a-z0-9]{1,5}( --?[a-z]{1,8}[ =]?[a-z0-9'\"\\\\]{0,5}){0,5}") {
        let intents = parse(&[(&kind, &value)]);
        prop_assert!(intents.invalid.iter().all(|invalid| !invalid.message.is_empty() && invalid.message.len() < 2048));
    }

    /// What the plugin prints for Git is what the operator reads from it.
    #[test]
    fn canonical_form_round_trips(id in "[a-zA-Z0-9][a-zA-Z0-9._:-]{0,62}", keyspaces in proptest::collection::vec("[a-zA-Z0-9_]{1,8}", 0..3), dcs in proptest::collection::vec("[a-z0-9]{1,5}", 0..3), jobs in proptest::option::of(0..1024_i32), dry_run: bool) {
        let mut words: Vec<String> = Vec::new();
        for keyspace in &keyspaces { words.extend(["--keyspace".to_owned(), keyspace.clone()]); }
        for dc in &dcs { words.extend(["--dc".to_owned(), dc.clone()]); }
        if let Some(jobs) = jobs { words.push(format!("--jobs={jobs}")); }
        if dry_run { words.push("--dry-run".into()); }
        let request = Request::new("cleanup", &id, &words).map_err(TestCaseError::fail)?;
        let read = parse(&[("cleanup", &request.value())]);
        prop_assert_eq!(&read.requests["cleanup"], &request);
    }
}
