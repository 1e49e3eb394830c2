//! The screens of the documentation are the output of the plugin on the fixtures; `make docs` writes them again.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

use casskop_core::simulation::World;
use serde_json::{Value, json};

use crate::{
    explain::with_operator,
    fake::{Api, Asked, Reply, merge},
    fixtures::{healthy, realistic},
    operations::through,
    report,
    run::{binary, fixture, kubeconfig},
};

/// A request gets a random id at the time at which all tests happen; the documentation always has the same one.
const ID: (&str, &str) = ("20261122T170518Z-", "7f3a");

/// The server behind a command of the documentation, where the plugin needs one and the screen can be repeated.
fn server(arguments: &str) -> Option<Api> {
    let of = |name| Api::cluster(fixture(name), Vec::new());
    Some(match arguments {
        "status demo" | "ring demo" => of("growing.yaml"),
        "status demo -o wide" => of("restarting.yaml"),
        "explain demo" => with_operator(fixture("growing.yaml"), &[true]),
        "operations demo --history" => {
            let mut cluster = fixture("operating.yaml");
            through(&mut cluster, "cleanup", "kustomize-controller");
            Api::cluster(cluster, Vec::new())
        }
        "cleanup demo --dc dc1 --keyspace orders --jobs 2"
        | "cleanup demo --rack rack1 --wait --timeout 2h"
        | "cleanup demo --dc dc1 --dry-run" => simulated(healthy()),
        "cleanup demo -n shop --dc dc1 --id 2026-11-22 --dry-run=client -o yaml" => {
            Api::start(|_| Reply::Silence)
        }
        "report demo" => Api::start(report::server::answer),
        _ => return None,
    })
}

/// Serves a simulated cluster: a watch reports what the operator does until nothing is left to do.
fn simulated(mut world: World) -> Api {
    world.now = "2026-11-22T17:05:17Z".parse().unwrap();
    let shown = |world: &World| -> Value {
        let text = serde_json::to_string(&world.cluster).unwrap();
        serde_json::from_str(&realistic(world, text)).unwrap()
    };
    Api::start(move |asked: &Asked| {
        if asked.method == "PATCH" {
            let mut cluster = serde_json::to_value(&world.cluster).unwrap();
            merge(&mut cluster, &asked.body);
            world.cluster = serde_json::from_value(cluster).unwrap();
        }
        if !asked.path.contains("watch=true") {
            return Reply::Json(200, shown(&world));
        }
        let mut events = Vec::new();
        let mut version = 100;
        let mut report = |world: &mut World| {
            version += 1;
            world.cluster.metadata.resource_version = Some(version.to_string());
            events.push(json!({ "type": "MODIFIED", "object": shown(world) }));
        };
        loop {
            world.pass();
            report(&mut world);
            if world.is_settled() {
                break;
            }
            world.work(0, true, false);
            report(&mut world);
        }
        Reply::Watch(events, false)
    })
}

/// The output of a command, as a terminal shows it: both streams in one.
fn screen(arguments: &str, api: &Api) -> String {
    let folder = report::place("");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("output");
    let output = File::create(&path).unwrap();
    let words: Vec<&str> = arguments.split(' ').collect();
    let mut command = binary(&words);
    command
        .current_dir(&folder)
        .env("KUBECONFIG", kubeconfig(&api.address.to_string()))
        .stdout(output.try_clone().unwrap())
        .stderr(output);
    command.status().unwrap();
    let text = fs::read_to_string(path).unwrap();
    let unknown = api.unknown();
    assert!(unknown.is_empty(), "no operator writes {unknown:?}");
    let mut parts = text.split(ID.0);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += &[ID.0, ID.1, &part[ID.1.len()..]].concat();
    }
    let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

/// The lines of all committed snapshots, for screens of a terminal that other tests have.
fn snapshots() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/snapshots");
    let files = fs::read_dir(folder).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    texts.collect::<Vec<_>>().concat()
}

/// A document with its screens written again, and the number of them.
fn rewritten(document: &str) -> (String, usize) {
    let (mut text, mut screens) = (String::new(), 0);
    let mut lines = document.split_inclusive('\n').peekable();
    let (mut is_code, mut shows_output) = (false, false);
    let snapshots = snapshots();
    while let Some(line) = lines.next() {
        text += line;
        if line.starts_with("```") {
            is_code = !is_code;
            // A block of several commands, ```console, shows no output.
            shows_output = line == "```\n";
        }
        let Some(command) = line
            .strip_prefix("$ kubectl casskop ")
            .filter(|_| is_code && shows_output)
        else {
            continue;
        };
        let mut old = String::new();
        while let Some(line) =
            lines.next_if(|line| !line.starts_with("```") && !line.starts_with("$ "))
        {
            old += line;
        }
        let blank = if old.ends_with("\n\n") { "\n" } else { "" };
        if let Some(api) = server(command.trim_end()) {
            screens += 1;
            text += &screen(command.trim_end(), &api);
            text += blank;
        } else {
            let mut invented = old.lines().filter(|line| !snapshots.contains(line.trim()));
            assert_eq!(invented.next(), None, "no snapshot shows it: {command}");
            text += &old;
        }
    }
    (text, screens)
}

#[test]
fn committed_screens_are_up_to_date() {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut screens = 0;
    for name in [
        "plugin.md",
        "operations.md",
        "cluster.md",
        "multi.md",
        "migration.md",
    ] {
        let path = docs.join(name);
        let committed = fs::read_to_string(&path).unwrap();
        let (generated, found) = rewritten(&committed);
        screens += found;
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &generated).unwrap();
            continue;
        }
        assert!(
            committed == generated,
            "docs/{name} shows other screens than the plugin; run `make docs` and read the difference"
        );
    }
    assert_eq!(screens, 10, "the documentation shows each screen once");
}
