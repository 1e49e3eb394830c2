//! `platformAssignsIds`: the platform, such as `OpenShift`, assigns the user and group ids of the pods.

use serde_json::Value;

use crate::{
    objects::Object,
    simulation::{THREE_RACKS, World},
};

/// The pod templates of the first plan.
fn templates(world: &World) -> Vec<Value> {
    let objects = world.plan().objects;
    let sets = objects.iter().filter_map(|object| match object {
        Object::StatefulSet(set) => Some(&set.spec.as_ref().expect("a spec").template),
        _ => None,
    });
    sets.map(|template| serde_json::to_value(template).expect("JSON"))
        .collect()
}

#[test]
fn no_id_is_set_and_cassandra_starts_in_the_group_root() {
    let mut world = World::new(THREE_RACKS);
    world.edit(|cluster| {
        cluster.spec.platform_assigns_ids = Some(true);
        cluster.spec.config_map_name = Some("scripts".into());
    });
    world.around.scripts = crate::desired::Scripts::Digest("a".into());
    let templates = templates(&world);
    assert_eq!(templates.len(), 3);
    for template in templates {
        let text = template.to_string();
        for id in ["runAsUser", "runAsGroup", "\"fsGroup\""] {
            assert!(!text.contains(id), "{id}: {text}");
        }
        let pod = &template["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let cassandra = &pod["containers"][0]["command"];
        assert_eq!(*cassandra, serde_json::json!(["cassandra", "-f", "-R"]));
        let copy = pod["initContainers"][0]["command"].to_string();
        assert!(copy.contains("chmod g=u"), "{copy}");
    }
}

#[test]
fn the_default_rolls_nothing() {
    let mut world = World::formed(THREE_RACKS);
    world.edit(|cluster| cluster.spec.platform_assigns_ids = Some(false));
    assert!(templates(&world).is_empty());
    world.edit(|cluster| cluster.spec.platform_assigns_ids = Some(true));
    assert_eq!(templates(&world).len(), 1, "one rack after the other");
}

#[test]
fn ids_of_the_spec_beside_it_are_refused() {
    for (user, group) in [(Some(1000), None), (None, Some(1000))] {
        let mut world = World::new(THREE_RACKS);
        world.edit(|cluster| {
            cluster.spec.platform_assigns_ids = Some(true);
            cluster.spec.run_as_user = user;
            cluster.spec.fs_group = group;
        });
        world.pass();
        assert!(world.live.stateful_sets.is_empty());
        let told = world.condition("SpecAccepted");
        assert!(told.starts_with("False InvalidConfig"), "{told}");
        assert!(told.contains("remove runAsUser and fsGroup"), "{told}");
    }
}
