//! Bad input: refused with the reason, and what runs is left as it is.

use crate::multi::simulation::{Denies, TWO_SITES, World, of_b};

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

const IMAGE: &str = "cassandra:5.0.9";

fn image(world: &World, site: &str) -> Option<String> {
    world.cluster(site).spec.cassandra_image.clone()
}

fn ask_for_image(world: &mut World) {
    world.edit(|multi| multi.spec.base["spec"]["cassandraImage"] = IMAGE.into());
}

#[test]
fn a_new_spec_that_a_site_rejects_reaches_none_and_addresses_do() {
    let mut world = World::formed(TWO_SITES);
    let before = image(&world, "a");
    world.site("b").denies = Denies::Specs;
    ask_for_image(&mut world);
    world.site("a").addresses += 1;
    world.site("b").slices.clear();
    world.settle();
    assert_eq!(image(&world, "a"), before);
    assert!(
        !world.sites["b"].slices.is_empty(),
        "b finds the seeds of a"
    );
    insta::assert_snapshot!(world.condition("SpecAccepted"));
    world.site("b").denies = Denies::Nothing;
    world.settle();
    assert!(world.condition("SpecAccepted").starts_with("True"));
    assert_eq!(image(&world, "a").as_deref(), Some(IMAGE));
    assert_eq!(image(&world, "b").as_deref(), Some(IMAGE));
}

/// An admission webhook of a site may come later than the spec.
#[test]
fn a_site_that_rejects_a_spec_of_before_holds_no_other_back() {
    let mut world = World::formed(TWO_SITES);
    world.site("b").denies = Denies::All;
    world.site("a").lose_cluster();
    world
        .site("b")
        .cluster
        .as_mut()
        .expect("a cluster")
        .spec
        .cassandra_image = None;
    world.request("cleanup", Some("1"));
    world.settle();
    assert!(
        world
            .condition("SpecAccepted")
            .starts_with("False InvalidCluster")
    );
    assert!(world.sites["a"].cluster.is_some(), "it is created again");
    let transitions = |world: &World| {
        let conditions = world.status().conditions;
        let times = conditions
            .into_iter()
            .map(|known| known.last_transition_time);
        times.collect::<Vec<_>>()
    };
    let before = transitions(&world);
    world.settle();
    assert_eq!(transitions(&world), before, "no condition goes to and fro");
    world.site("b").denies = Denies::Nothing;
    world.settle();
    assert!(world.condition("SpecAccepted").starts_with("True"));
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

/// The operator of a site knows nothing of the logins of the others, and a site with nodes elsewhere cannot set them up.
#[test]
fn logins_of_a_ring_over_several_sites_are_refused() {
    let logins = || serde_json::json!({ "superuserSecret": "admins" });
    let told = [
        refused(|multi| multi.spec.base["spec"]["authentication"] = logins()),
        refused(|multi| of_b(multi)["spec"]["authentication"] = logins()),
    ];
    insta::assert_snapshot!(told.join("\n"), @r"
    False NotSupported: authentication of site a: logins of a ring over several sites are not supported: remove it
    False NotSupported: authentication of site b: logins of a ring over several sites are not supported: remove it
    ");
}
