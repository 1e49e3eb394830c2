//! Bad input: refused with the reason, and what runs is left as it is.

use crate::multi::tests::world::{TWO_SITES, World, of_b};

/// Edits a ring that runs, and returns what is told; nothing may have changed in the sites.
fn refused(change: impl FnOnce(&mut casskop_common::api::MultiCasskop)) -> String {
    let mut world = World::formed(TWO_SITES);
    world.edit(change);
    let before: Vec<_> = world
        .sites
        .values()
        .map(|site| site.cluster.clone())
        .collect();
    world.pass();
    world.pass();
    let after: Vec<_> = world
        .sites
        .values()
        .map(|site| site.cluster.clone())
        .collect();
    assert_eq!(before, after);
    let told = world.condition("SpecAccepted");
    assert_eq!(
        world.status().sites.len(),
        2,
        "the annotation is still copied to the sites"
    );
    world.edit(|multi| {
        let good: casskop_common::api::MultiCasskop =
            serde_saphyr::from_str(TWO_SITES).expect("a MultiCasskop");
        multi.spec = good.spec;
    });
    world.settle();
    assert!(
        world.condition("SpecAccepted").starts_with("True"),
        "it goes on by itself"
    );
    told
}

#[test]
fn what_cannot_be_carried_out_says_why() {
    let told = [
        refused(|multi| {
            multi
                .spec
                .override_
                .insert("z".into(), serde_json::json!({}));
        }),
        refused(|multi| {
            of_b(multi)["spec"]["topology"]["dc"][0]["name"] = "dc1".into();
        }),
        refused(|multi| of_b(multi)["metadata"]["name"] = "other".into()),
        refused(|multi| multi.spec.base["metadata"]["namespace"] = "other".into()),
        refused(|multi| multi.spec.base["spec"]["nodesPerRacks"] = "three".into()),
        refused(|multi| multi.spec.base["spec"]["nodesPerRack"] = 3.into()),
        refused(|multi| {
            of_b(multi)["spec"]["topology"]["dc"][0]["racks"] = serde_json::json!(["x"]);
        }),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn two_names_of_one_kubernetes_cluster_are_noticed() {
    let mut world = World::new(TWO_SITES);
    world.site("b").namespace_uid = "ns-a".into();
    world.settle();
    assert!(world.sites.values().all(|site| site.cluster.is_none()));
    insta::assert_snapshot!(world.condition("SpecAccepted"));
}

#[test]
fn what_is_accepted_and_not_used_is_told() {
    let mut world = World::new(TWO_SITES);
    world.edit(|multi| {
        multi.spec.base["status"] = serde_json::json!({ "seedlist": ["x.example.org"] });
        multi.spec.base["metadata"]["annotations"] = serde_json::json!({
            "operations.db.orange.com/cleanup": "1", "team": "blue",
        });
    });
    world.settle();
    insta::assert_snapshot!(world.condition("SpecAccepted"));
    let annotations = world
        .cluster("a")
        .metadata
        .annotations
        .clone()
        .unwrap_or_default();
    assert_eq!(annotations.get("team").map(String::as_str), Some("blue"));
    assert!(!annotations.contains_key("operations.db.orange.com/cleanup"));
}
