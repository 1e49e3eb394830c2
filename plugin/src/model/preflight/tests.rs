use serde_json::json;

use super::*;
use crate::model::install::{self, Install};

fn plan(watch: Watch) -> Plan {
    let install = Install {
        namespace: "ops",
        image: "operator",
        watch: watch.clone(),
        home: Some("north"),
    };
    Plan {
        namespace: "ops".into(),
        watch,
        objects: install::objects(&install).unwrap(),
    }
}

/// A Kubernetes cluster in which nothing is in the way of a plan.
fn fitting(plan: &Plan) -> Facts {
    let namespaces = plan.namespaces().into_iter();
    Facts {
        version: "v1.34.4".into(),
        namespaces: namespaces
            .map(|name| (name.to_owned(), Lookup::Found(json!({}))))
            .collect(),
        crds: plan
            .crds()
            .map(|name| (name.to_owned(), Lookup::Absent))
            .collect(),
        rights: rights(plan)
            .into_iter()
            .map(|right| (right, Some(true)))
            .collect(),
        operators: Some(Vec::new()),
        locks: BTreeMap::new(),
        quotas: Some(Vec::new()),
        classes: Some(vec![class("standard", true)]),
    }
}

fn class(name: &str, is_default: bool) -> Value {
    json!({
        "metadata": {
            "name": name,
            "annotations": { "storageclass.kubernetes.io/is-default-class": is_default.to_string() },
        },
        "allowVolumeExpansion": true,
        "volumeBindingMode": "WaitForFirstConsumer",
    })
}

/// The findings about a Kubernetes cluster that a change makes differ from one that fits; those of one check.
fn about(check: Check, watch: Watch, change: impl FnOnce(&mut Facts)) -> Vec<(Outcome, String)> {
    let plan = plan(watch);
    let mut facts = fitting(&plan);
    change(&mut facts);
    let (about, others): (Vec<Finding>, Vec<Finding>) = findings(&plan, &facts)
        .into_iter()
        .partition(|finding| finding.check == check);
    for other in others {
        assert_eq!(other.outcome, Outcome::Passed, "{other:?}");
    }
    about
        .into_iter()
        .map(|finding| {
            let next = finding.next.map(|next| format!("; next: {next}"));
            (finding.outcome, finding.message + &next.unwrap_or_default())
        })
        .collect()
}

#[test]
fn a_cluster_that_fits() {
    for watch in [Watch::Own, Watch::One("shop".into()), Watch::All] {
        let plan = plan(watch);
        let findings = findings(&plan, &fitting(&plan));
        let passed =
            |finding: &Finding| finding.outcome == Outcome::Passed && finding.next.is_none();
        assert!(findings.iter().all(passed), "{findings:#?}");
        let checks: std::collections::BTreeSet<Check> =
            findings.iter().map(|finding| finding.check).collect();
        assert_eq!(checks.len(), 7);
    }
}

#[test]
fn nothing_can_be_read() {
    let plan = plan(Watch::One("shop".into()));
    let unread = rights(&plan).into_iter().map(|right| (right, None));
    let facts = Facts {
        version: "v1.34.4".into(),
        rights: unread.collect(),
        ..Facts::default()
    };
    let findings = findings(&plan, &facts);
    insta::assert_yaml_snapshot!(findings);
}

#[test]
fn versions_of_kubernetes() {
    let of = |version: &str| {
        about(Check::KubernetesVersion, Watch::Own, |facts| {
            facts.version = version.into();
        })
    };
    let found = [
        "v1.33.0",
        "v1.32.9",
        "v1.35.2-gke.100",
        "v2.0.0",
        "development",
    ]
    .map(of);
    insta::assert_yaml_snapshot!(found);
}

#[test]
fn the_oldest_version_is_that_of_the_chart() {
    let chart = include_str!("../../../../charts/casskop/Chart.yaml");
    let (major, minor) = version::OLDEST;
    assert!(chart.contains(&format!("kubeVersion: \">={major}.{minor}.0-0\"")));
}

#[test]
fn rights_that_are_missing() {
    let denied = |matches: &dyn Fn(&Right) -> bool| {
        about(Check::Permissions, Watch::Own, |facts| {
            for (right, has) in &mut facts.rights {
                *has = Some(!matches(right));
            }
        })
    };
    insta::assert_yaml_snapshot!([
        denied(&|right| right.group == "apiextensions.k8s.io"),
        // An administrator of a namespace has all rights in it that an operator needs, and may not escalate.
        denied(&Right::escalates),
        denied(&|right| right.escalates() || right.resource == "secrets"),
        // A right of the user that is missing is none that is given away.
        denied(&|right| right.is_given),
    ]);
}

/// Every kind of the manifests has the plural that the API server knows.
#[test]
fn the_rights_of_all_objects() {
    let applied = rights(&plan(Watch::All))
        .into_iter()
        .filter(|right| !right.is_given);
    let mut kinds: Vec<String> = applied
        .map(|right| format!("{}/{}", right.group, right.resource))
        .collect();
    kinds.sort();
    kinds.dedup();
    insta::assert_yaml_snapshot!(kinds);
}

#[test]
fn namespaces() {
    let of = |name: &str, found: Lookup| {
        about(Check::Namespaces, Watch::One("shop".into()), |facts| {
            facts.namespaces.insert(name.into(), found);
        })
    };
    let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let restricted = json!({ "metadata": { "labels": labels } });
    let ending = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    insta::assert_yaml_snapshot!([
        of("ops", Lookup::Absent),
        of("shop", Lookup::Absent),
        of("shop", Lookup::Found(restricted)),
        of("ops", Lookup::Found(ending)),
    ]);
}

#[test]
fn custom_resource_definitions() {
    let plan = plan(Watch::Own);
    let name = "cassandraclusters.db.orange.com";
    let ours = plan
        .objects
        .iter()
        .find(|object| text(object, "/metadata/name") == name);
    let ours = ours.unwrap().clone();
    let of = |change: &dyn Fn(&mut Value)| {
        let mut live = ours.clone();
        change(&mut live);
        about(Check::CustomResourceDefinitions, Watch::Own, |facts| {
            facts.crds.insert(name.into(), Lookup::Found(live));
        })
    };
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    insta::assert_yaml_snapshot!([
        of(&|_| {}),
        of(&|live| live["status"] = json!({ "storedVersions": ["v1alpha1", "v2"] })),
        of(&|live| {
            let fields = live.pointer_mut(spec).unwrap();
            fields["later"] =
                json!({ "type": "object", "properties": { "inner": { "type": "string" } } });
        }),
        // An earlier version has fewer fields.
        of(&|live| {
            let fields = live.pointer_mut(spec).unwrap();
            fields.as_object_mut().unwrap().remove("nodeApi");
        }),
    ]);
}

fn operator(namespace: &str, name: &str, watch: &Value) -> Value {
    let mut variable = watch.clone();
    variable["name"] = "WATCH_NAMESPACE".into();
    json!({
        "metadata": { "namespace": namespace, "name": name },
        "spec": { "template": { "spec": { "containers": [{ "env": [variable] }] } } },
    })
}

#[test]
fn other_operators() {
    let own = || json!({ "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } });
    let of = |watch: Watch, other: Value| {
        about(Check::OtherOperators, watch, |facts| {
            facts.operators = Some(vec![other]);
        })
    };
    let shop = || Watch::One("shop".into());
    insta::assert_yaml_snapshot!([
        // The same installation, to be upgraded.
        of(Watch::Own, operator("ops", "casskop-operator", &own())),
        // Elsewhere.
        of(Watch::Own, operator("shop", "casskop-operator", &own())),
        of(shop(), operator("shop", "casskop-operator", &own())),
        of(
            shop(),
            operator("more", "casskop-operator", &json!({ "value": "shop" }))
        ),
        of(Watch::All, operator("shop", "casskop-operator", &own())),
        of(
            Watch::Own,
            operator("more", "casskop-operator", &json!({ "value": "" }))
        ),
        of(Watch::All, operator("more", "casskop-operator", &json!({}))),
    ]);
    let go = about(Check::OtherOperators, Watch::Own, |facts| {
        facts.locks.insert("ops".into(), Lookup::Found(json!({})));
    });
    insta::assert_yaml_snapshot!("the_go_casskop", go);
}

#[test]
fn quotas() {
    let of = |hard: Value, used: Value| {
        about(Check::Quotas, Watch::Own, |facts| {
            let quota = json!({ "metadata": { "name": "team" }, "spec": {}, "status": { "hard": hard, "used": used } });
            facts.quotas = Some(vec![quota]);
        })
    };
    insta::assert_yaml_snapshot!([
        of(
            json!({ "pods": "10", "requests.cpu": "1" }),
            json!({ "pods": "2", "requests.cpu": "500m" })
        ),
        of(json!({ "pods": "10" }), json!({ "pods": "9" })),
        of(
            json!({ "requests.cpu": "1", "limits.memory": "128Mi" }),
            json!({ "requests.cpu": "990m", "limits.memory": "1Mi" })
        ),
        of(json!({ "limits.cpu": "10" }), json!({})),
        of(
            json!({ "count/secrets": "1" }),
            json!({ "count/secrets": "1" })
        ),
    ]);
}

#[test]
fn storage_classes() {
    let of = |classes: Vec<Value>| {
        about(Check::StorageClasses, Watch::Own, |facts| {
            facts.classes = Some(classes);
        })
    };
    let mut plain = class("plain", false);
    plain["allowVolumeExpansion"] = Value::Null;
    plain["volumeBindingMode"] = "Immediate".into();
    insta::assert_yaml_snapshot!([
        of(Vec::new()),
        of(vec![class("fast", false)]),
        of(vec![class("standard", true), plain]),
    ]);
}
