//! Output on a terminal: repainting, narrow windows, Ctrl-C.

use std::sync::mpsc::Sender;

use serde_json::{Value, json};

use crate::{
    fake::{Api, merge},
    run::fixture,
    terminal::{CTRL_C, End, SIGINT, Terminal, USUAL},
};

const CLEANUP: &[&str] = &["cleanup", "demo", "--id", "a", "--wait"];

fn node(pod: &str, phase: &str, done: u32) -> Value {
    json!({ "pod": pod, "phase": phase, "step": "orders", "attempts": 1, "startedAt": "2026-11-22T17:05:00.000000Z",
        "progress": { "done": done, "total": 2, "unit": "keyspaces" } })
}

/// The status while cleanup `a` is at work on nodes that are `running` and has yet to begin on others.
fn at_work(running: &[&str], waiting: &[&str]) -> Value {
    let running = running.iter().map(|pod| node(pod, "Running", 1));
    let waiting = waiting
        .iter()
        .map(|pod| json!({ "pod": pod, "phase": "Pending", "attempts": 0 }));
    let nodes: Vec<Value> = running.chain(waiting).collect();
    let operation = json!({ "kind": "cleanup", "id": "a", "phase": "Running", "message": "two at a time",
        "requestedAt": "2026-11-22T17:04:59.000000Z", "startedAt": "2026-11-22T17:05:00.000000Z", "nodes": nodes });
    json!({ "status": { "operations": [operation] } })
}

fn succeeded() -> Value {
    let nodes = ["demo-dc1-rack1-0", "demo-dc1-rack2-0"].map(|pod| node(pod, "Succeeded", 2));
    let operation = json!({ "kind": "cleanup", "id": "a", "phase": "Succeeded", "nodes": nodes,
        "requestedAt": "2026-11-22T17:04:59.000000Z", "startedAt": "2026-11-22T17:05:00.000000Z", "finishedAt": "2026-11-22T17:09:12.000000Z" });
    json!({ "status": { "operations": [operation] } })
}

fn healthy() -> (Api, Sender<Value>) {
    Api::changing(fixture("healthy.yaml"))
}

pub fn patches(api: &Api) -> usize {
    let asked = api.asked();
    asked.iter().filter(|asked| asked.method == "PATCH").count()
}

fn widest(screen: &str) -> usize {
    let widths = screen.lines().map(|line| line.chars().count());
    widths.max().unwrap_or_default()
}

#[test]
fn a_watch_is_repainted_in_place() {
    let (api, changes) = healthy();
    let terminal = Terminal::open(&api, &["status", "demo", "--watch"], USUAL, &[]);
    let mut seen = vec![terminal.see_text("demo-dc1-rack3-1")];
    // More lines than before.
    let all = ["demo-dc1-rack1-0", "demo-dc1-rack2-0"];
    changes.send(at_work(&all, &["demo-dc1-rack3-0"])).unwrap();
    seen.push(terminal.see_text("cleanup a"));
    // Fewer lines, and shorter ones.
    let shorter = json!({ "status": { "operations": [], "phase": "Pending", "lastClusterAction": null,
        "conditions": [] } });
    changes.send(shorter).unwrap();
    seen.push(terminal.see(|screen| !screen.contains("cleanup a")));
    terminal.types(CTRL_C);
    let End { screen, signal, .. } = terminal.end();
    seen.push(screen);
    insta::assert_snapshot!(seen.join("\n=====\n"));
    assert_eq!(signal, Some(SIGINT));
}

#[test]
fn a_watch_fits_the_window_whatever_becomes_of_it() {
    let (api, changes) = Api::changing(fixture("operating.yaml"));
    let watch = ["status", "demo", "--watch"];
    let terminal = Terminal::open(&api, &watch, (20, 44), &[]);
    let narrow = terminal.see_text("more lines");
    assert!(widest(&narrow) <= 44, "{narrow}");
    // Wider and higher: all of it.
    terminal.resize(50, 120);
    let wide =
        terminal.see(|screen| screen.contains("demo-dc1-rack3-1") && screen.starts_with("demo in"));
    // Smaller than before: as much as fits, and no line twice.
    terminal.resize(15, 30);
    changes
        .send(json!({ "status": { "phase": "Pending" } }))
        .unwrap();
    let small = terminal
        .see(|screen| screen.contains("demo in namespace shop: Pend") && widest(screen) <= 30);
    terminal.types(CTRL_C);
    terminal.end();
    insta::assert_snapshot!([narrow, wide, small].join("\n=====\n"));
}

#[test]
fn an_operation_is_followed_in_place_to_its_end() {
    let (api, changes) = healthy();
    let terminal = Terminal::open(&api, CLEANUP, USUAL, &[]);
    let mut seen = vec![terminal.see_text("requested on cluster demo")];
    let nodes = ["demo-dc1-rack1-0", "demo-dc1-rack2-0"];
    for change in [at_work(&nodes[..1], &nodes[1..]), at_work(&nodes, &[])] {
        changes.send(change).unwrap();
        let awaited = if seen.len() == 1 {
            "rack1-0"
        } else {
            "rack2-0"
        };
        seen.push(terminal.see_text(awaited));
    }
    changes.send(succeeded()).unwrap();
    let End { screen, code, .. } = terminal.end();
    seen.push(screen);
    insta::assert_snapshot!(seen.join("\n=====\n"));
    assert_eq!((code, patches(&api)), (Some(0), 1));
}

#[test]
fn an_operation_that_fails_ends_with_what_to_do() {
    let (api, changes) = healthy();
    let terminal = Terminal::open(&api, CLEANUP, USUAL, &[]);
    changes.send(at_work(&["demo-dc1-rack1-0"], &[])).unwrap();
    terminal.see_text("rack1-0");
    let mut failed = at_work(&["demo-dc1-rack1-0"], &[]);
    let operation = &mut failed["status"]["operations"][0];
    operation["nodes"][0]["phase"] = "Failed".into();
    operation["nodes"][0]["error"] = "unable to cancel compactions".into();
    let end = json!({ "phase": "Failed", "message": "1 of 1 node failed", "finishedAt": "2026-11-22T17:09:12.000000Z" });
    merge(operation, &end);
    changes.send(failed).unwrap();
    let End { screen, code, .. } = terminal.end();
    insta::assert_snapshot!(screen);
    assert_eq!(code, Some(1));
}

#[test]
fn a_narrow_window_cuts_what_runs() {
    let (api, changes) = healthy();
    let terminal = Terminal::open(&api, CLEANUP, (10, 30), &[]);
    let pods: Vec<String> = (0..12).map(|n| format!("demo-dc1-rack1-{n}")).collect();
    let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
    changes.send(at_work(&pods, &[])).unwrap();
    let cut = terminal.see_text("more lines");
    changes.send(at_work(&pods[..1], &[])).unwrap();
    let less = terminal.see(|screen| !screen.contains("more lines"));
    terminal.types(CTRL_C);
    terminal.end();
    insta::assert_snapshot!([cut, less].join("\n=====\n"));
}

#[test]
fn ctrl_c_takes_the_progress_away_and_says_how_to_come_back() {
    let (api, changes) = healthy();
    let terminal = Terminal::open(&api, CLEANUP, (24, 100), &[]);
    changes
        .send(at_work(&["demo-dc1-rack1-0"], &["demo-dc1-rack2-0"]))
        .unwrap();
    terminal.see_text("rack1-0");
    terminal.types(CTRL_C);
    let End { screen, code, .. } = terminal.end();
    insta::assert_snapshot!(screen);
    // The request stands as it was written.
    assert_eq!((code, patches(&api)), (Some(130), 1));
}

#[test]
fn colours_on_a_terminal_only_where_they_are_wanted() {
    let shown = |environment: &[(&str, &str)]| {
        let api = Api::cluster(fixture("operating.yaml"), Vec::new());
        let end = Terminal::open(&api, &["status", "demo"], (60, 120), environment).end();
        assert_eq!(end.code, Some(0));
        (end.screen, end.bytes)
    };
    let (coloured, bytes) = shown(&[]);
    assert!(bytes.contains("\x1b["), "{bytes}");
    for environment in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let (plain, bytes) = shown(&[environment]);
        assert!(!bytes.contains('\x1b'), "{bytes}");
        assert_eq!(plain, coloured, "no word is in the colour alone");
    }
}

#[test]
fn a_terminal_that_cannot_repaint_gets_a_line_for_each_change() {
    let (api, changes) = healthy();
    let terminal = Terminal::open(&api, CLEANUP, USUAL, &[("TERM", "dumb")]);
    terminal.see_text("requested");
    changes.send(at_work(&["demo-dc1-rack1-0"], &[])).unwrap();
    terminal.see_text("rack1-0");
    changes.send(succeeded()).unwrap();
    let End { bytes, code, .. } = terminal.end();
    assert!(!bytes.contains('\x1b'), "{bytes}");
    assert_eq!(code, Some(0));
}
