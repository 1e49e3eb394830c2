//! Random histories: sites are cut off and come back, clusters are deleted by hand, the resource is edited, and the
//! operator is killed between any two writes. There is never a second ring (the model asserts it), and when it all ends
//! everything is as asked.

use proptest::prelude::*;

use crate::{
    multi::simulation::{TWO_SITES, World},
    testing::histories,
};

#[derive(Clone, Debug)]
enum Event {
    Pass(usize),
    Tick,
    Cut(bool),
    Heal,
    Delete(bool),
    LoseVolumes(bool),
    Renumber(bool),
    Edit(u8),
    ByHand(bool),
    Request(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..6_usize).prop_map(Event::Pass),
        6 => Just(Event::Pass(usize::MAX)),
        8 => Just(Event::Tick),
        2 => any::<bool>().prop_map(Event::Cut),
        3 => Just(Event::Heal),
        1 => any::<bool>().prop_map(Event::Delete),
        1 => any::<bool>().prop_map(Event::LoseVolumes),
        1 => any::<bool>().prop_map(Event::Renumber),
        2 => (0..4_u8).prop_map(Event::Edit),
        1 => any::<bool>().prop_map(Event::ByHand),
        2 => (0..4_u8).prop_map(Event::Request),
    ]
}

fn name(second: bool) -> &'static str {
    if second { "b" } else { "a" }
}

fn happen(world: &mut World, event: &Event) {
    match *event {
        Event::Pass(writes) => world.pass_until(writes),
        Event::Tick => world.tick(),
        Event::Cut(second) => world.site(name(second)).is_cut = true,
        Event::Heal => {
            for site in world.sites.values_mut() {
                site.is_cut = false;
            }
        }
        Event::Delete(second) => world.site(name(second)).lose_cluster(),
        // Both at once would be the end of the ring by hand.
        Event::LoseVolumes(second) => {
            let other = &world.sites[name(!second)];
            if other.has_members && other.cluster.is_some() && !other.is_cut {
                let site = world.site(name(second));
                site.lose_cluster();
                site.has_members = false;
            }
        }
        Event::Renumber(second) => world.site(name(second)).addresses += 1,
        Event::Edit(image) => world.edit(|multi| {
            multi.spec.base["spec"]["cassandraImage"] = format!("cassandra:5.0.{image}").into();
        }),
        Event::ByHand(second) => {
            if let Some(cluster) = &mut world.site(name(second)).cluster {
                cluster.spec.auto_pilot = Some(true);
            }
        }
        Event::Request(id) => world.request("cleanup", Some(&format!("id-{id}"))),
    }
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn there_is_one_ring_and_in_the_end_it_is_as_asked(events in prop::collection::vec(event(), 0..60)) {
        let mut world = World::new(TWO_SITES);
        for event in &events {
            happen(&mut world, event);
        }
        happen(&mut world, &Event::Heal);
        world.settle();
        world.settle();
        prop_assert_eq!(world.status().summary, "2/2");
        let image = world.multi.spec.base["spec"]["cassandraImage"].as_str();
        for site in ["a", "b"] {
            prop_assert_eq!(world.cluster(site).spec.cassandra_image.as_deref(), image);
            prop_assert_eq!(world.cluster(site).spec.auto_pilot, None);
        }
        prop_assert!(world.status().operations.iter().all(|operation| operation.phase.is_final()));
        let before = world.status();
        prop_assert!(world.plan().writes.is_empty(), "{:?}", world.plan().writes);
        world.pass();
        prop_assert_eq!(world.status(), before);
    }
}
