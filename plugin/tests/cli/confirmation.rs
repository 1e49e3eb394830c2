//! The question before data is discarded, as a person answers it.

use serde_json::json;

use crate::{
    fake::{Api, merge},
    repainting::patches,
    run::fixture,
    terminal::{CTRL_C, CTRL_D, End, SIGINT, Terminal},
};

const REPLACE: &[&str] = &["replace", "demo", "--pod", "demo-dc1-rack2-0", "--id", "a"];
const QUESTION: &str = "Type the name of the pod to confirm (demo-dc1-rack2-0):";

/// A cluster with a node that is lost.
fn losing() -> Api {
    let mut cluster = fixture("growing.yaml");
    merge(
        &mut cluster,
        &json!({ "metadata": { "uid": "3c2b1f6e-8d1e-4c57-9a51-0d8f2a7b9c11" } }),
    );
    Api::cluster(cluster, Vec::new())
}

fn answer(keys: &str) -> (End, usize) {
    let api = losing();
    let terminal = Terminal::open(&api, REPLACE, (24, 120), &[]);
    terminal.see_text(QUESTION);
    assert_eq!(
        patches(&api),
        0,
        "nothing is written before it is confirmed"
    );
    terminal.types(keys);
    let end = terminal.end();
    (end, patches(&api))
}

#[test]
fn the_name_of_the_pod_confirms_that_its_data_is_lost() {
    let (end, patches) = answer("demo-dc1-rack2-0\r");
    insta::assert_snapshot!(end.screen);
    assert_eq!((end.code, patches), (Some(0), 1));
}

#[test]
fn any_other_answer_requests_nothing() {
    let answers = [
        "no\r",
        "y\r",
        "yes\r",
        "\r",
        "demo\r",
        "demo-dc1-rack2-1\r",
        CTRL_D,
    ];
    let screens = answers.map(|keys| {
        let (end, patches) = answer(keys);
        assert_eq!((end.code, patches), (Some(1), 0), "{keys:?}");
        end.screen
    });
    insta::assert_snapshot!(screens.join("\n=====\n"));
}

#[test]
fn ctrl_c_at_the_question_requests_nothing() {
    let (end, patches) = answer(CTRL_C);
    assert_eq!((end.signal, patches), (Some(SIGINT), 0));
}

#[test]
fn with_several_nodes_it_is_the_name_of_the_cluster() {
    let api = losing();
    let both = [
        "replace",
        "demo",
        "--pod",
        "demo-dc1-rack2-0",
        "--pod",
        "demo-dc1-rack3-0",
        "--id",
        "a",
    ];
    let terminal = Terminal::open(&api, &both, (24, 120), &[]);
    let screen = terminal.see_text("confirm (demo):");
    terminal.types("demo-dc1-rack2-0\r");
    let end = terminal.end();
    assert_eq!((end.code, patches(&api)), (Some(1), 0), "{screen}");
}
