//! Two resources of one name, in two home clusters or in two namespaces, over the same sites: neither takes anything from the
//! other.

use kube_core::ResourceExt;

use crate::multi::{
    plan::SiteObject,
    simulation::{Site, TWO_SITES, World},
};

/// A resource of the same name and namespace in another home cluster, whose operator has the same sites.
fn second(first: &World) -> World {
    let mut second = World::new(TWO_SITES);
    second.multi.metadata.uid = Some("m-2".into());
    second.sites.clone_from(&first.sites);
    second
}

/// The objects of the sites, as text.
fn objects(world: &World) -> String {
    format!("{:#?}", world.sites)
}

#[test]
fn the_second_one_is_refused_and_changes_nothing() {
    let first = World::formed(TWO_SITES);
    let mut second = second(&first);
    let is_left_alone = |second: &World| assert_eq!(objects(second), objects(&first));
    for _ in 0..5 {
        second.pass();
        is_left_alone(&second);
    }
    insta::assert_snapshot!(
        ["SpecAccepted", "Ready", "Available"]
            .map(|kind| format!("{kind}={}", second.condition(kind)))
            .join("\n")
    );
    // Neither a request nor a change reaches the clusters.
    second.request("cleanup", Some("c1"));
    second.edit(|multi| multi.spec.base["spec"]["cassandraImage"] = "cassandra:4.1".into());
    second.pass();
    is_left_alone(&second);
    // A site that is taken out, and the end, delete nothing.
    let mut smaller = second.clone();
    smaller.edit(|multi| drop(multi.spec.override_.remove("b")));
    smaller.pass();
    is_left_alone(&smaller);
    second.delete();
    second.pass();
    is_left_alone(&second);
    assert!(!second.is_blocked_by_checks, "its finalizer is removed");
}

/// The ring of a name forms where its first cluster is, whoever that belongs to.
#[test]
fn the_second_one_forms_no_ring_beside_a_cluster_of_the_first() {
    for is_formed in [false, true] {
        let mut first = World::new(TWO_SITES);
        first.pass();
        if is_formed {
            first.settle();
        }
        let mut second = second(&first);
        // A site that only the second one has, before the others.
        let own = second.multi.spec.override_["b"]
            .to_string()
            .replace("dc2", "dc0");
        let own = serde_json::from_str(&own).expect("JSON");
        second.edit(|multi| drop(multi.spec.override_.insert("0".into(), own)));
        second.order.insert(0, "0".into());
        let site = Site {
            namespace_uid: "ns-0".into(),
            ..Site::default()
        };
        second.sites.insert("0".into(), site);
        for _ in 0..5 {
            second.pass();
            assert!(second.sites["0"].cluster.is_none(), "{is_formed}");
        }
        second.sites.remove("0");
        assert_eq!(objects(&second), objects(&first));
        assert!(second.condition("SpecAccepted").contains("m-1"));
    }
}

/// The ring of the first one is where the second one cannot look: a choice would stay for ever.
#[test]
fn the_second_one_chooses_no_site_while_one_does_not_answer() {
    let mut first = World::formed(TWO_SITES);
    // The second site of the first resource is there, and not formed yet.
    let begins = {
        let mut begins = World::new(TWO_SITES);
        begins.pass();
        begins.sites["a"].cluster.clone()
    };
    first.sites.get_mut("b").expect("a site").cluster = begins;
    let mut second = second(&first);
    second.sites.get_mut("a").expect("a site").is_cut = true;
    second.pass();
    assert_eq!(second.status().first_site, None);
    // The first resource gives the site up.
    second.sites.get_mut("b").expect("a site").cluster = None;
    for is_cut in [true, false] {
        second.sites.get_mut("a").expect("a site").is_cut = is_cut;
        for _ in 0..5 {
            second.pass();
            assert!(second.sites["b"].cluster.is_none(), "{is_cut}");
        }
    }
}

/// Both are created at the same time, and each creates the first cluster: one of them finds it.
#[test]
fn of_two_that_begin_together_one_is_refused() {
    let mut first = World::new(TWO_SITES);
    let mut second = second(&first);
    for _ in 0..2 {
        second.pass_until(1);
    }
    first.settle();
    second.sites.clone_from(&first.sites);
    for _ in 0..5 {
        second.pass();
        assert_eq!(objects(&second), objects(&first));
    }
    assert!(second.condition("SpecAccepted").contains("m-1"));
}

#[test]
fn in_two_namespaces_each_has_objects_of_its_own() {
    let elsewhere = TWO_SITES.replace("namespace: ns", "namespace: other");
    let mut world = World::new(&elsewhere);
    world.multi.metadata.uid = Some("m-2".into());
    let is_elsewhere = |namespace: Option<String>| namespace.as_deref() == Some("other");
    for _ in 0..10 {
        for write in world.plan().writes {
            let namespace = match &write.what {
                SiteObject::Create(cluster) | SiteObject::Delete(cluster) => cluster.namespace(),
                SiteObject::Change { before, .. } => before.namespace(),
                SiteObject::Service(service) => service.namespace(),
                SiteObject::Slice(slice) | SiteObject::DropSlice(slice) => slice.namespace(),
            };
            assert!(is_elsewhere(namespace), "{write:?}");
        }
        world.pass();
        world.tick();
    }
    assert!(world.sites.values().all(|site| site.cluster.is_some()));
}
