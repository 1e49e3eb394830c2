//! The scripts for Argo CD, in its own form, run by the version of Lua and with the libraries that Argo CD has.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test compares files of the repository"
)]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use casskop_common::{
    intent::Intents,
    operations::{OperationKind, grammar},
};
use clap::Command;
use mlua::{Lua, LuaOptions, LuaSerdeExt, StdLib, Value as LuaValue};
use serde_json::{Value, json};

const KINDS: [&str; 2] = ["CassandraCluster", "MultiCasskop"];
/// The time of all actions.
const NOW: &str = "20260101T000000Z";
const PREFIX: &str = "operations.db.orange.com/";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/argocd/db.orange.com")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &Path) -> Value {
    serde_saphyr::from_str(&text(path)).expect("YAML")
}

/// The result of a script about an object. Argo CD opens the libraries base, package, table and a part of os.
fn run(script: &Path, object: &Value, parameters: &Value) -> Value {
    let libraries = StdLib::PACKAGE | StdLib::TABLE | StdLib::OS;
    let lua = Lua::new_with(libraries, LuaOptions::default()).expect("Lua");
    let globals = lua.globals();
    let os: mlua::Table = globals.get("os").expect("os");
    let date = lua
        .create_function(|_, format: String| {
            assert_eq!(format, "!%Y%m%dT%H%M%SZ");
            Ok(NOW)
        })
        .expect("a function");
    os.set("date", date).expect("os.date");
    let options = mlua::serde::ser::Options::new().serialize_none_to_null(false);
    for (name, value) in [("obj", object), ("actionParams", parameters)] {
        let value = lua.to_value_with(value, options).expect("a value of Lua");
        globals.set(name, value).expect("a global");
    }
    let result: LuaValue = lua
        .load(text(script))
        .eval()
        .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    lua.from_value(result).expect("JSON")
}

#[test]
fn health() {
    for kind in KINDS {
        let folder = folder().join(kind);
        let tests = yaml(&folder.join("health_test.yaml"));
        let tests = tests["tests"].as_array().expect("tests");
        for test in tests {
            let input = test["inputPath"].as_str().expect("a path");
            let health = run(
                &folder.join("health.lua"),
                &yaml(&folder.join(input)),
                &json!({}),
            );
            assert_eq!(health, test["healthStatus"], "{kind} {input}");
        }
        let inputs = fs::read_dir(folder.join("testdata")).expect("test data");
        assert_eq!(inputs.count(), tests.len(), "{kind}: a test for each input");
    }
}

/// The clusters of the plugin's tests are written by the simulation of the operator.
#[test]
fn health_of_simulated_clusters() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin/tests/fixtures");
    let mut shown = String::new();
    let mut files: Vec<PathBuf> = fs::read_dir(fixtures)
        .expect("fixtures")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    for file in files {
        let cluster = yaml(&file);
        let kind = cluster["kind"].as_str().expect("a kind");
        let health = run(
            &folder().join(kind).join("health.lua"),
            &cluster,
            &json!({}),
        );
        let conditions = cluster
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let mut conditions = conditions.into_iter().flatten();
        let is_ready = conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
            && cluster["status"]["observedGeneration"] == cluster["metadata"]["generation"];
        let is_paused =
            cluster["metadata"]["annotations"][format!("{PREFIX}reconcile")] == "paused";
        assert_eq!(
            health["status"] == "Healthy",
            is_ready && !is_paused,
            "{}",
            file.display()
        );
        let name = file
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        writeln!(shown, "{name}: {}", health["status"]).expect("a string takes it");
    }
    insta::assert_snapshot!(shown);
}

/// The kinds that a button requests. A kind that discards data asks for a confirmation, which Argo CD does not have.
fn requested() -> Vec<Command> {
    let grammar = grammar("request");
    let kinds = grammar.get_subcommands().filter(|command| {
        let kind = OperationKind::from_word(command.get_name()).expect("a kind");
        !command.is_hide_set() && !kind.discards_data()
    });
    kinds.cloned().collect()
}

/// The arguments without which a request is invalid.
fn required(kind: &Command) -> Vec<String> {
    let arguments = kind
        .get_arguments()
        .filter(|argument| argument.is_required_set());
    arguments
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .collect()
}

/// The script that requests a kind.
fn action(kind: &Command) -> String {
    let name = kind.get_name();
    let about = kind.get_about().expect("each kind has a description");
    let mut script = format!(
        "-- {about}. Written by `make docs`.\nlocal os = require(\"os\")\nlocal params = actionParams or {{}}\nlocal request = \"argocd-\" .. os.date(\"!%Y%m%dT%H%M%SZ\")\n"
    );
    for argument in required(kind) {
        write!(
            script,
            "if (params[\"{argument}\"] or \"\") == \"\" then\n  error(\"{argument} is missing\")\nend\nrequest = request .. ' --{argument} \"' .. params[\"{argument}\"] .. '\"'\n"
        )
        .expect("a string takes it");
    }
    write!(
        script,
        "if (params.arguments or \"\") ~= \"\" then\n  request = request .. \" \" .. params.arguments\nend\nobj.metadata.annotations = obj.metadata.annotations or {{}}\nobj.metadata.annotations[\"{PREFIX}{name}\"] = request\nreturn obj\n"
    )
    .expect("a string takes it");
    script
}

fn discovery() -> String {
    let mut script =
        "-- The actions of a CassandraCluster. Written by `make docs`.\nlocal actions = {}\n"
            .to_owned();
    for kind in requested() {
        let mut parameters = required(&kind);
        parameters.push("arguments".into());
        let parameters: Vec<String> = parameters
            .iter()
            .map(|name| format!("{{ name = \"{name}\" }}"))
            .collect();
        let name = kind.get_name();
        writeln!(
            script,
            "actions[\"{name}\"] = {{ params = {{ {} }} }}",
            parameters.join(", ")
        )
        .expect("a string takes it");
    }
    script
        + "
local unfinished, failed = false, false
local operations = obj.status ~= nil and obj.status.operations or {}
for _, operation in ipairs(operations) do
  unfinished = unfinished or operation.finishedAt == nil
  failed = failed or operation.phase == \"Failed\"
end
for _, name in ipairs({ \"cancel\", \"pause\", \"resume\" }) do
  actions[name] = { disabled = not unfinished }
end
actions[\"retry\"] = { disabled = not failed }
local annotations = obj.metadata.annotations or {}
local paused = annotations[\"operations.db.orange.com/reconcile\"] == \"paused\"
actions[\"pause-reconcile\"] = { disabled = paused }
actions[\"resume-reconcile\"] = { disabled = not paused }
return actions
"
}

/// Compares a written file with the repository, or writes it with `UPDATE_DOCS`.
fn is_committed(path: &Path, written: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, written).expect("manifests is writable");
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    let path = path.display();
    assert!(
        committed == written,
        "{path} is out of date; run `make docs`"
    );
}

fn actions() -> PathBuf {
    folder().join("CassandraCluster/actions")
}

/// All folders with an action, by name.
fn names() -> Vec<String> {
    let folders = fs::read_dir(actions()).expect("actions");
    let mut names: Vec<String> = folders
        .map(|folder| folder.expect("a folder"))
        .filter(|folder| folder.path().join("action.lua").exists())
        .map(|folder| folder.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The `ConfigMap` that brings the scripts into an installation of Argo CD.
fn config_map() -> String {
    let indented = |path: &Path, spaces: usize| -> String {
        let lines = text(path);
        let lines = lines.lines().map(|line| match line {
            "" => "\n".to_owned(),
            line => format!("{:spaces$}{line}\n", ""),
        });
        lines.collect()
    };
    let mut map = "# Health and actions of the resources of CassKop. Written by `make docs`.\n\
        # kubectl apply --server-side -f manifests/argocd/argocd-cm.yaml\n\
        apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  namespace: argocd\n  labels:\n    \
        app.kubernetes.io/name: argocd-cm\n    app.kubernetes.io/part-of: argocd\ndata:\n"
        .to_owned();
    for kind in KINDS {
        let health = indented(&folder().join(kind).join("health.lua"), 4);
        write!(
            map,
            "  resource.customizations.health.db.orange.com_{kind}: |\n{health}"
        )
        .expect("a string takes it");
    }
    let discovery = indented(&actions().join("discovery.lua"), 6);
    write!(
        map,
        "  resource.customizations.actions.db.orange.com_CassandraCluster: |\n    discovery.lua: |\n{discovery}    definitions:\n"
    )
    .expect("a string takes it");
    for name in names() {
        let script = indented(&actions().join(&name).join("action.lua"), 8);
        write!(map, "    - name: {name}\n      action.lua: |\n{script}")
            .expect("a string takes it");
    }
    map
}

#[test]
fn committed_scripts_are_up_to_date() {
    for kind in requested() {
        let path = actions().join(kind.get_name()).join("action.lua");
        is_committed(&path, &action(&kind));
    }
    is_committed(&actions().join("discovery.lua"), &discovery());
    is_committed(&folder().join("../argocd-cm.yaml"), &config_map());
    // As Argo CD reads it.
    let map: Value = serde_saphyr::from_str(&config_map()).expect("YAML");
    let key = "resource.customizations.actions.db.orange.com_CassandraCluster";
    let customization = map["data"][key].as_str().expect("a script");
    let customization: Value = serde_saphyr::from_str(customization).expect("YAML");
    assert_eq!(customization["discovery.lua"], discovery());
    let definitions = customization["definitions"]
        .as_array()
        .expect("definitions");
    for definition in definitions {
        let name = definition["name"].as_str().expect("a name");
        let script = text(&actions().join(name).join("action.lua"));
        assert_eq!(definition["action.lua"], script, "{name}");
    }
    assert_eq!(definitions.len(), names().len());
}

/// The annotations of an object after an action.
fn after(name: &str, object: &Value, parameters: &Value) -> Value {
    let script = actions().join(name).join("action.lua");
    let mut changed = run(&script, object, parameters);
    let annotations = changed["metadata"]["annotations"].take();
    // Nothing else changes.
    let mut before = object.clone();
    before["metadata"]["annotations"] = Value::Null;
    changed["metadata"]["annotations"] = Value::Null;
    assert_eq!(changed, before, "{name}");
    annotations
}

fn found(object: &Value) -> Value {
    run(&actions().join("discovery.lua"), object, &json!({}))
}

fn cluster(annotations: &Value) -> Value {
    json!({
        "metadata": { "name": "demo", "generation": 1, "annotations": annotations },
        "spec": { "nodesPerRacks": 1 },
        "status": { "observedGeneration": 1, "operations": [
            { "kind": "flush", "id": "a", "phase": "Succeeded", "finishedAt": "2026-01-01T00:00:00Z" },
            { "kind": "repair", "id": "b", "phase": "Failed", "finishedAt": "2026-01-01T00:00:00Z" },
            { "kind": "cleanup", "id": "c", "phase": "Running" },
        ] },
    })
}

#[test]
fn a_button_requests_what_the_operator_understands() {
    for kind in requested() {
        let mut parameters = json!({});
        for argument in required(&kind) {
            parameters[argument] = "orders".into();
        }
        let name = kind.get_name();
        let annotations = after(name, &cluster(&json!({ "own": "kept" })), &parameters);
        assert_eq!(annotations["own"], "kept");
        let annotations = serde_json::from_value(annotations).expect("annotations");
        let intents = Intents::parse(&annotations);
        assert!(intents.invalid.is_empty(), "{:?}", intents.invalid);
        let request = intents.requests.values().next().expect("a request");
        assert_eq!(request.kind.as_str(), name);
        assert_eq!(request.id, format!("argocd-{NOW}"));
    }
}

#[test]
fn a_button_takes_arguments() {
    let parameters = json!({ "arguments": "--dc dc1 --keyspace orders" });
    let annotations = after("cleanup", &json!({ "metadata": {} }), &parameters);
    let value = format!("argocd-{NOW} --dc dc1 --keyspace orders");
    assert_eq!(annotations, json!({ format!("{PREFIX}cleanup"): value }));
}

#[test]
fn buttons_about_requests() {
    let none = json!({});
    let of = |name: &str| after(name, &cluster(&json!({ "own": "kept" })), &none);
    assert_eq!(
        of("cancel"),
        json!({ "own": "kept", format!("{PREFIX}cleanup.cancel"): "c" })
    );
    assert_eq!(
        of("retry"),
        json!({ "own": "kept", format!("{PREFIX}repair.retry"): "b" })
    );
    let paused = of("pause");
    assert_eq!(
        paused,
        json!({ "own": "kept", format!("{PREFIX}cleanup.pause"): "c" })
    );
    assert_eq!(
        after("resume", &cluster(&paused), &none),
        json!({ "own": "kept" })
    );
    let paused = of("pause-reconcile");
    assert_eq!(
        paused,
        json!({ "own": "kept", format!("{PREFIX}reconcile"): "paused" })
    );
    assert_eq!(
        after("resume-reconcile", &cluster(&paused), &none),
        json!({ "own": "kept" })
    );
}

#[test]
fn buttons_that_have_an_effect_are_enabled() {
    let disabled = |object: &Value| -> Vec<String> {
        let actions = found(object);
        let actions = actions.as_object().expect("actions");
        let listed: Vec<String> = actions.keys().cloned().collect();
        assert_eq!(listed, names(), "each action has a script");
        let disabled = actions
            .iter()
            .filter(|(_, action)| action["disabled"] == true);
        disabled.map(|(name, _)| name.clone()).collect()
    };
    let own = json!({ "own": "kept" });
    assert_eq!(disabled(&cluster(&own)), ["resume-reconcile"]);
    let paused = cluster(&json!({ format!("{PREFIX}reconcile"): "paused" }));
    assert_eq!(disabled(&paused), ["pause-reconcile"]);
    let idle = json!({ "metadata": { "name": "demo" } });
    assert_eq!(
        disabled(&idle),
        ["cancel", "pause", "resume", "resume-reconcile", "retry"]
    );
}
