//! The chart renders the manifests of this repository, changed where its values say so. `testbed/helm.sh` runs these tests
//! with the real helm and kubectl (`HELM`, `KUBECTL`), on the packaged chart (`CHART`).

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::{
    install::{Objects, differences_of, generated, objects, repository},
    run::file,
};

const CHART_LABEL: &str = "helm.sh/chart";
const POLICY: &str = "helm.sh/resource-policy";
const CRDS: [&str; 2] = ["crds/cassandraclusters.yaml", "crds/multicasskops.yaml"];

/// A program that `testbed/helm.sh` names.
fn program(variable: &str) -> Command {
    Command::new(std::env::var(variable).unwrap())
}

/// `helm template` with these values, in a namespace.
fn template(namespace: &str, values: &Value) -> Output {
    let values = file(&values.to_string());
    let mut helm = program("HELM");
    helm.args(["template", "release", "--namespace", namespace, "--values"]);
    helm.arg(values).arg(std::env::var_os("CHART").unwrap());
    helm.output().unwrap()
}

/// The objects of the chart in the namespace of the manifests.
fn rendered(values: &Value) -> Objects {
    rendered_in("casskop", values)
}

/// The objects of the chart without what only Helm needs: a label on each object, and the annotation by which the CRDs stay.
fn rendered_in(namespace: &str, values: &Value) -> Objects {
    let output = template(namespace, values);
    assert!(output.status.success(), "{output:?}");
    let mut objects = objects(&String::from_utf8(output.stdout).unwrap());
    let version = format!("casskop-operator-{}", env!("CARGO_PKG_VERSION"));
    for (key, object) in &mut objects {
        let label = take(object, "labels", CHART_LABEL);
        assert_eq!(label.as_ref(), Some(&json!(version)), "{key}");
        let policy = take(object, "annotations", POLICY);
        let keep = (object["kind"] == "CustomResourceDefinition").then(|| json!("keep"));
        assert_eq!(policy, keep, "{key}");
    }
    normal(objects)
}

/// Removes an entry of the metadata, and the field that is empty without it.
fn take(object: &mut Value, field: &str, key: &str) -> Option<Value> {
    let metadata = object["metadata"].as_object_mut()?;
    let map = metadata.get_mut(field)?.as_object_mut()?;
    let taken = map.remove(key);
    if map.is_empty() {
        metadata.remove(field);
    }
    taken
}

/// With numbers in one form: Helm writes 1.0 as 1.
fn normal(mut objects: Objects) -> Objects {
    objects.values_mut().for_each(numbers);
    objects
}

fn numbers(value: &mut Value) {
    match value {
        Value::Number(number) => *value = json!(number.as_f64()),
        Value::Array(items) => items.iter_mut().for_each(numbers),
        Value::Object(map) => map.values_mut().for_each(numbers),
        _ => {}
    }
}

/// The output of kustomize for a folder of `manifests`.
fn kustomized(folder: &str) -> Objects {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../manifests")
        .join(folder);
    let output = program("KUBECTL").arg("kustomize").arg(path).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    objects(&String::from_utf8(output.stdout).unwrap())
}

/// The manifests of the operator and the CRDs. The Namespace is missing: `helm --create-namespace` creates it.
fn manifests() -> Objects {
    let mut all = kustomized("operator");
    all.remove("Namespace casskop").unwrap();
    all.extend(CRDS.iter().flat_map(|crd| objects(&repository(crd))));
    normal(all)
}

/// The output of the plugin, with the CRDs that the chart always has, and without the Namespace.
fn printed(namespace: &str, arguments: &[&str]) -> Objects {
    let mut all = generated(arguments);
    all.remove(&format!("Namespace {namespace}")).unwrap();
    all.extend(objects(&repository(CRDS[1])));
    normal(all)
}

fn same(rendered: &Objects, expected: &Objects) {
    assert_eq!(differences_of(expected, rendered), "");
}

#[test]
#[ignore = "needs helm: testbed/helm.sh"]
fn the_defaults_are_the_kustomization_and_the_crds() {
    same(&rendered(&json!({})), &manifests());
}

#[test]
#[ignore = "needs helm: testbed/helm.sh"]
fn each_further_part_is_a_folder_of_the_manifests() {
    let mut expected = manifests();
    expected.extend(normal(kustomized("multi")));
    same(
        &rendered(&json!({ "multi": { "enabled": true } })),
        &expected,
    );

    let mut expected = manifests();
    expected.extend(normal(kustomized("admission")));
    same(
        &rendered(&json!({ "admission": { "enabled": true } })),
        &expected,
    );

    let mut expected = manifests();
    expected.extend(normal(kustomized("monitoring")));
    same(
        &rendered(&json!({ "monitoring": { "enabled": true } })),
        &expected,
    );

    let mut expected = manifests();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../manifests/rbac");
    for role in folder.read_dir().unwrap() {
        let name = role.unwrap().file_name().into_string().unwrap();
        expected.extend(objects(&repository(&format!("rbac/{name}"))));
    }
    same(
        &rendered(&json!({ "roles": { "enabled": true } })),
        &expected,
    );
}

#[test]
#[ignore = "needs helm: testbed/helm.sh"]
fn the_crds_belong_to_one_release() {
    let mut expected = manifests();
    expected.retain(|key, _| !key.starts_with("CustomResourceDefinition "));
    same(
        &rendered(&json!({ "crds": { "install": false } })),
        &expected,
    );
}

#[test]
#[ignore = "needs helm: testbed/helm.sh"]
fn places_are_those_of_the_plugin() {
    let multi = json!({ "enabled": true, "homeSite": "north" });
    same(
        &rendered(&json!({ "watchNamespace": "shop", "multi": multi })),
        &printed(
            "casskop",
            &["--watch-namespace", "shop", "--multi", "north"],
        ),
    );
    same(
        &rendered(&json!({ "watchNamespace": "*", "multi": multi })),
        &printed("casskop", &["--watch-all-namespaces", "--multi", "north"]),
    );
    same(
        &rendered(&json!({ "watchNamespace": "casskop" })),
        &manifests(),
    );
    same(
        &rendered_in("ops", &json!({ "image": { "repository": "mirror/op" } })),
        &printed(
            "ops",
            &[
                "-n",
                "ops",
                "--image",
                concat!("mirror/op:", env!("CARGO_PKG_VERSION")),
            ],
        ),
    );
}

#[test]
#[ignore = "needs helm: testbed/helm.sh"]
fn a_digest_decides_over_the_tag() {
    let digest = format!("sha256:{}", "0".repeat(64));
    for (image, reference) in [
        (json!({ "tag": "next" }), ":next".to_owned()),
        (json!({ "digest": digest }), format!("@{digest}")),
        (
            json!({ "tag": "next", "digest": digest }),
            format!(":next@{digest}"),
        ),
    ] {
        let objects = rendered(&json!({ "image": image }));
        let container =
            &objects["Deployment casskop-operator"]["spec"]["template"]["spec"]["containers"][0];
        let image = format!("casskop/casskop-operator{reference}");
        assert_eq!(container["image"], image);
        let variables = container["env"].as_array().unwrap();
        assert!(variables.contains(&json!({ "name": "BOOTSTRAP_IMAGE", "value": image })));
    }
}

/// Each value but those of the tests above, and what each of them changes.
#[test]
#[ignore = "needs helm: testbed/helm.sh"]
fn the_other_values() {
    let values = json!({
        "image": { "pullPolicy": "Always" },
        "imagePullSecrets": [{ "name": "registry" }],
        "replicas": 2,
        "log": { "format": "text", "level": "info,casskop_operator=debug" },
        "resources": { "limits": { "memory": "128Mi" } },
        "nodeSelector": { "pool": "operators" },
        "tolerations": [{ "key": "dedicated", "operator": "Exists" }],
        "affinity": { "nodeAffinity": {} },
        "topologySpreadConstraints": [{ "maxSkew": 2 }],
        "priorityClassName": "high",
        "podLabels": { "team": "data", "app.kubernetes.io/name": "other" },
        "podAnnotations": { "note": "pod" },
        "crds": { "install": false },
    });
    let mut expected = manifests();
    expected.retain(|key, _| !key.starts_with("CustomResourceDefinition "));
    let text = differences_of(&expected, &rendered(&values));
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
#[ignore = "needs helm: testbed/helm.sh"]
fn labels_and_annotations_are_on_all_objects_and_replace_none() {
    let values = json!({
        "labels": { "team": "data", "app.kubernetes.io/name": "other" },
        "annotations": { "note": "all", "helm.sh/resource-policy": "delete" },
        "crds": { "install": true },
    });
    let output = template("casskop", &values);
    let rendered = objects(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(rendered.len(), manifests().len());
    for (key, object) in rendered {
        let metadata = &object["metadata"];
        assert_eq!(metadata["labels"]["team"], "data", "{key}");
        assert_eq!(metadata["annotations"]["note"], "all", "{key}");
        if object["kind"] == "Deployment" {
            assert_eq!(
                metadata["labels"]["app.kubernetes.io/name"],
                "casskop-operator"
            );
        }
        if object["kind"] == "CustomResourceDefinition" {
            assert_eq!(metadata["annotations"][POLICY], "keep");
        }
    }
}

#[test]
#[ignore = "needs helm: testbed/helm.sh"]
fn wrong_values_are_refused() {
    let told = [
        json!({ "replica": 2 }),
        json!({ "replicas": "two" }),
        json!({ "replicas": -1 }),
        json!({ "image": { "name": "casskop-operator" } }),
        json!({ "image": { "repository": "Mirror/op" } }),
        json!({ "image": { "digest": "sha256:abc" } }),
        json!({ "watchNamespace": "a/b" }),
        json!({ "log": { "format": "xml" } }),
        json!({ "resources": { "request": {} } }),
        json!({ "multi": { "enabled": "yes" } }),
        json!({ "multi": { "homeSite": ".x" } }),
        json!({ "admission": { "validationActions": ["Refuse"] } }),
        json!({ "crds": null }),
    ]
    .map(|values| {
        let output = template("casskop", &values);
        assert!(!output.status.success(), "{values} is accepted");
        assert!(output.stdout.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("- "));
        format!("{values}\n{}\n", lines.collect::<Vec<_>>().join("\n"))
    });
    insta::assert_snapshot!(told.join("\n"));
}
