//! The intent protocol in the view of a user: the accepted annotations, and the messages about all others.

use std::collections::BTreeMap;

use casskop_common::{
    intent::{Intents, Request},
    operations::{Arguments, Operation, OperationKind, grammar, kinds},
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
    let request = &intents.requests[&OperationKind::Cleanup];
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
    assert_eq!(intents.requests[&OperationKind::Flush].value(), "ticket-42");
    assert!(intents.invalid.is_empty());
}

#[test]
fn dry_run_is_the_operators_in_an_annotation() {
    for value in ["x --dry-run", "x --dry-run=server"] {
        assert!(parse(&[("cleanup", value)]).requests[&OperationKind::Cleanup].is_dry_run());
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
    let controls = &intents.controls[&OperationKind::Cleanup];
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
    assert_eq!(
        intents.requests.keys().collect::<Vec<_>>(),
        [&OperationKind::Flush]
    );
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

/// Keys that mean something: each kind with each control, and those beside the kinds.
fn keys() -> impl Strategy<Value = String> {
    let controls = ["", ".pause", ".cancel", ".retry", ".waive", ".spec"];
    let of_kinds = kinds().flat_map(move |kind| {
        let keys = controls.map(|control| format!("{kind}{control}"));
        keys.into_iter()
    });
    let beside = ["reconcile", "spec.waive", "help", "nodes", "."].map(str::to_owned);
    proptest::sample::select(of_kinds.chain(beside).collect::<Vec<_>>())
}

/// Words that the grammar knows, among which the wrong ones come further.
fn words() -> impl Strategy<Value = String> {
    let known = grammar("words")
        .get_subcommands()
        .flat_map(|kind| {
            kind.get_arguments()
                .filter_map(|argument| argument.get_long())
        })
        .map(|long| format!("--{long}"))
        .collect::<Vec<_>>();
    let word = prop_oneof![
        4 => proptest::sample::select(known),
        2 => "[a-z0-9_.-]{1,12}",
        1 => "--?[a-z-]{0,20}(=[a-z0-9]{0,9})?",
        1 => "['\"\\\\$`#;&|<>*?~\u{0}\u{202e}é]{1,4}",
        1 => "[0-9]{1,30}",
    ];
    proptest::collection::vec(word, 0..12).prop_map(|words| words.join(" "))
}

/// Any value is either understood or reported, in words that fit into a status. A request that is understood can be
/// recorded and read back.
fn is_understood_or_told(key: &str, value: &str) -> Result<(), TestCaseError> {
    let intents = parse(&[(key, value)]);
    for invalid in &intents.invalid {
        let bytes = invalid.message.len();
        prop_assert!(
            bytes > 0 && bytes < 2048,
            "{} bytes: {}",
            bytes,
            invalid.message
        );
    }
    for request in intents.requests.values() {
        prop_assert!(request.id.len() < 64);
        prop_assert!(request.arguments.text.len() <= 4 * value.len());
        let recorded = Arguments::recorded(&request.kind.into(), &request.arguments.text);
        prop_assert_eq!(recorded.as_ref(), Some(&request.arguments));
    }
    for controls in intents.controls.values() {
        let (id, checks) = controls.waive.clone().unwrap_or_default();
        prop_assert!(id.len() < 64 && checks.iter().all(|check| check.len() < 64));
    }
    Ok(())
}

proptest! {
    /// Values come from Git: nothing in them is trusted.
    #[test]
    fn any_value_is_understood_or_told(key in keys(), value in "\\PC{0,200}|[a-z0-9]{1,5}( --?[a-z]{1,8}[ =]?[a-z0-9'\"\\\\]{0,5}){0,5}") {
        is_understood_or_told(&key, &value)?;
    }

    #[test]
    fn any_words_are_understood_or_told(key in keys(), id in "[a-z0-9]{1,5}|\\PC{0,80}", words in words()) {
        is_understood_or_told(&key, &format!("{id} {words}"))?;
    }

    #[test]
    fn any_bytes_are_understood_or_told(key in keys(), bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        is_understood_or_told(&key, &String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_key_is_understood_or_told(key in "[a-zA-Z0-9._-]{0,63}", value in "\\PC{0,20}") {
        is_understood_or_told(&key, &value)?;
    }

    /// However long it is.
    #[test]
    fn any_length_is_understood_or_told(key in keys(), part in "\\PC{1,9}| --[a-z]{1,9} [a-z]{1,9}", times in 0..3000_usize) {
        is_understood_or_told(&key, &format!("a {}", part.repeat(times)))?;
    }

    /// The operator reads a request in the form that the plugin prints for Git.
    #[test]
    fn canonical_form_round_trips(id in "[a-zA-Z0-9][a-zA-Z0-9._:-]{0,62}", keyspaces in proptest::collection::vec("[a-zA-Z0-9_]{1,8}", 0..3), dcs in proptest::collection::vec("[a-z0-9]{1,5}", 0..3), jobs in proptest::option::of(0..1024_i32), dry_run: bool) {
        let mut words: Vec<String> = Vec::new();
        for keyspace in &keyspaces { words.extend(["--keyspace".to_owned(), keyspace.clone()]); }
        for dc in &dcs { words.extend(["--dc".to_owned(), dc.clone()]); }
        if let Some(jobs) = jobs { words.push(format!("--jobs={jobs}")); }
        if dry_run { words.push("--dry-run".into()); }
        let request = Request::new(OperationKind::Cleanup, &id, &words).map_err(TestCaseError::fail)?;
        let read = parse(&[("cleanup", &request.value())]);
        prop_assert_eq!(&read.requests[&OperationKind::Cleanup], &request);
    }
}

#[test]
fn a_repair_of_some_nodes_is_of_all_their_ranges() {
    use casskop_common::operations::{Arguments, Operation};
    for (arguments, all_ranges) in [
        ("", false),
        ("--all-ranges", true),
        ("--dc dc1", true),
        ("--rack dc1.rack1", true),
        ("--pod demo-dc1-rack1-0", true),
        ("--primary-range --dc dc1", false),
    ] {
        let words = shlex::split(arguments).expect("words");
        let parsed = Arguments::parse("repair", &words).expect("it parses");
        let Operation::Repair(repair) = &parsed.operation else {
            panic!("{:?}", parsed.operation);
        };
        assert_eq!(repair.all_ranges, all_ranges, "{arguments}");
        assert_eq!(parsed.text, arguments, "as it was typed");
    }
    let both = ["--all-ranges", "--primary-range"].map(str::to_owned);
    assert!(Arguments::parse("repair", &both).is_err());
}

/// Unknown keys are reported up to a limit; the nearest kind is searched for a few, because a search is slow.
#[test]
fn many_unknown_annotations_are_counted_and_hide_no_request() {
    let mut pairs: Vec<(String, &str)> = (0..8_000)
        .map(|index| (format!("aaclean{index}"), "1"))
        .collect();
    pairs.extend((0..10).map(|index| (format!("cleanup.a{index}"), "1")));
    pairs.push(("repair".into(), "- x"));
    pairs.push(("restart".into(), "1"));
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (&**key, *value)).collect();
    let intents = parse(&pairs);
    assert_eq!(intents.requests.len(), 1);
    assert_eq!(
        intents.invalid[0].annotation,
        "operations.db.orange.com/repair"
    );
    assert_eq!(intents.invalid.len(), 200);
    assert_eq!(intents.more_invalid, 8_011 - 200);
    let plain = |invalid: &&casskop_common::intent::Invalid| {
        invalid
            .message
            .starts_with("no operation is called 'aaclean")
    };
    let plain = intents.invalid.iter().filter(plain).count();
    assert_eq!(plain, 200 - 11 - 20, "without a search");
}
