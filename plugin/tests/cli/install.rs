//! `install generate` prints the manifests of this repository, each object once.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};

use crate::run::{binary, run_alone};

/// By kind and name.
pub type Objects = BTreeMap<String, Value>;

pub fn repository(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../manifests");
    fs::read_to_string(root.join(path)).unwrap()
}

pub fn objects(yaml: &str) -> Objects {
    let mut objects = Objects::new();
    for object in serde_saphyr::from_multiple::<Value>(yaml).unwrap() {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = format!(
            "{} {}",
            text(&object["kind"]),
            text(&object["metadata"]["name"])
        );
        assert!(
            objects.insert(key.clone(), object).is_none(),
            "{key} is there twice"
        );
    }
    objects
}

pub fn generated(arguments: &[&str]) -> Objects {
    let arguments = [&["install", "generate"], arguments].concat();
    let output = binary(&arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    objects(&String::from_utf8(output.stdout).unwrap())
}

/// The manifests as `manifests/operator/kustomization.yaml` puts them together.
fn customized() -> Objects {
    let mut objects = objects(&repository("crds/cassandraclusters.yaml"));
    add(&mut objects, "operator");
    objects
}

/// Adds those of a folder, as its kustomization puts them together.
fn add(objects: &mut Objects, folder: &str) {
    let settings = repository(&format!("{folder}/kustomization.yaml"));
    let settings: Value = serde_saphyr::from_str(&settings).unwrap();
    let namespace = &settings["namespace"];
    let image = &settings["images"][0];
    let tagged = format!(
        "{}:{}",
        image["newName"].as_str().unwrap(),
        image["newTag"].as_str().unwrap()
    );
    for resource in settings["resources"].as_array().unwrap() {
        let path = format!("{folder}/{}", resource.as_str().unwrap());
        for (key, mut object) in self::objects(&repository(&path)) {
            match object["kind"].as_str().unwrap() {
                "Namespace" => object["metadata"]["name"] = namespace.clone(),
                "RoleBinding" => object["subjects"][0]["namespace"] = namespace.clone(),
                "Deployment" => {
                    let operator = &mut object["spec"]["template"]["spec"]["containers"][0];
                    assert_eq!(operator["image"], image["name"]);
                    operator["image"] = tagged.clone().into();
                    let variables = operator["env"].as_array_mut().unwrap().iter_mut();
                    for own in variables.filter(|one| one["name"] == "BOOTSTRAP_IMAGE") {
                        own["value"] = tagged.clone().into();
                    }
                }
                _ => {}
            }
            if object["kind"] != "Namespace" {
                object["metadata"]["namespace"] = namespace.clone();
            }
            assert!(objects.insert(key, object).is_none());
        }
    }
}

#[test]
fn with_the_operator_of_rings_over_several_clusters() {
    let mut expected = customized();
    expected.extend(objects(&repository("crds/multicasskops.yaml")));
    add(&mut expected, "multi");
    let deployment = expected.get_mut("Deployment casskop-multi").unwrap();
    let home = &mut deployment["spec"]["template"]["spec"]["containers"][0]["env"][0];
    assert_eq!(home["name"], "HOME_SITE");
    home["value"] = "north".into();
    assert_eq!(generated(&["--multi", "north"]), expected);
    let everywhere = generated(&["--multi", "north", "--watch-all-namespaces"]);
    for key in [
        "ClusterRole casskop-multi-operator",
        "ClusterRoleBinding casskop-multi-operator",
    ] {
        assert!(everywhere.contains_key(key), "{key}");
    }
}

#[test]
fn the_defaults_are_those_of_the_repository() {
    assert_eq!(generated(&[]), customized());
}

#[test]
fn another_namespace_and_image() {
    let ours = generated(&["-n", "ops", "--image", "mirror/op@sha256:abc"]);
    let mut expected = customized();
    let mut namespace = expected.remove("Namespace casskop").unwrap();
    namespace["metadata"]["name"] = "ops".into();
    expected.insert("Namespace ops".into(), namespace);
    let text = serde_json::to_string(&expected).unwrap();
    let text = text
        .replace("\"namespace\":\"casskop\"", "\"namespace\":\"ops\"")
        .replace(
            concat!(
                "\"casskop/casskop-operator:",
                env!("CARGO_PKG_VERSION"),
                "\""
            ),
            "\"mirror/op@sha256:abc\"",
        );
    assert_eq!(json!(ours), serde_json::from_str::<Value>(&text).unwrap());
}

/// The differences from the defaults, as JSON paths with their new value.
fn differences(arguments: &[&str]) -> String {
    differences_of(&customized(), &generated(arguments))
}

/// The differences between two sets of objects, as JSON paths with their new value.
pub fn differences_of(before: &Objects, after: &Objects) -> String {
    let mut lines = Vec::new();
    differ("", &json!(before), &json!(after), &mut lines);
    lines.join("\n")
}

fn differ(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let keys: std::collections::BTreeSet<&String> =
                before.keys().chain(after.keys()).collect();
            for key in keys {
                let [before, after] =
                    [before, after].map(|map| map.get(key).unwrap_or(&Value::Null));
                differ(&format!("{path}/{key}"), before, after, lines);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                differ(&format!("{path}/{index}"), before, after, lines);
            }
        }
        _ if before == after => {}
        (_, Value::Null) => lines.push(format!("{path} is gone")),
        (_, Value::Object(after)) if path.matches('/').count() == 1 => {
            let (role, rules) = (&after["metadata"], after.get("rules").is_some());
            lines.push(format!(
                "{path} is new: {role}, rules {rules}, {}",
                json!([after.get("roleRef"), after.get("subjects")])
            ));
        }
        _ => lines.push(format!("{path} = {after}")),
    }
}

#[test]
fn clusters_elsewhere() {
    insta::assert_snapshot!(differences(&["--watch-namespace", "shop"]));
}

#[test]
fn clusters_everywhere() {
    insta::assert_snapshot!(differences(&["--watch-all-namespaces"]));
}

#[test]
fn its_own_namespace_is_nothing_else() {
    assert_eq!(generated(&["--watch-namespace", "casskop"]), customized());
}

#[test]
fn what_is_impossible() {
    let shown = [
        &["install", "generate", "-n", "Ops"][..],
        &["install", "generate", "--watch-namespace", "a/b"],
        &["install", "generate", "--image", "a b"],
        &["install", "generate", "--multi", ".x"],
        &[
            "install",
            "generate",
            "--watch-all-namespaces",
            "--watch-namespace",
            "shop",
        ],
        &["install", "genreate"],
    ]
    .map(|arguments| run_alone(arguments, &[]));
    insta::assert_snapshot!(shown.join("\n"));
}
