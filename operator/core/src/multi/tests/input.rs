//! Bad input: refused with the reason, and what runs is left as it is.

use crate::multi::{
    plan,
    tests::world::{TWO_SITES, World, of_b},
};

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

/// An admission webhook of a site may come later than the spec.
#[test]
fn a_spec_that_a_site_rejects_is_tried_before_it_is_accepted_again() {
    let mut world = World::formed(TWO_SITES);
    assert!(!plan::was_rejected(&world.multi));
    world.edit(|multi| multi.spec.base["spec"]["cassandraImage"] = "cassandra:5.0.9".into());
    world.site("b").slices.clear();
    let refused = plan::refuse(world.plan(), "site a does not take it", &world.snapshot());
    let kept: Vec<_> = refused
        .writes
        .iter()
        .map(|write| write.what.to_string())
        .collect();
    insta::assert_snapshot!(kept.join("\n"));
    world.multi.status = Some(refused.status);
    insta::assert_snapshot!(world.condition("SpecAccepted"));
    assert!(plan::was_rejected(&world.multi));
    world.settle();
    assert!(!plan::was_rejected(&world.multi), "the webhook is gone");
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
