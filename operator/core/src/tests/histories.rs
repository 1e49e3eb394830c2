//! Random histories: requests, spec edits, hanging nodes, and an operator that is killed between any two of its
//! effects. Whatever happens, nothing is lost, nothing is done twice that should not be, and it ends.

use std::collections::BTreeSet;

use casskop_common::{
    api::{InternodeMode, NodePhase, NodeTransport, OperationPhase, Phase, Rack},
    names,
    operations::OperationKind,
};
use proptest::prelude::*;

use crate::{
    objects::config_map,
    observed::{SecretState, replicas},
    rollout::partition,
    simulation::{Node, THREE_RACKS, World},
    testing::histories,
    tests::{
        internode_tls::{assert_understood, set as set_mode},
        node_api_change::{set_image, turn},
    },
};

const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";
/// Kinds that are asked for.
const KINDS: [&str; 5] = ["cleanup", "flush", "repair", "restart", "snapshot"];

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// A pass of the operator, killed after so many effects.
    Pass(usize),
    /// Kubernetes and the nodes go on.
    Tick,
    /// A node call ends; its answer is heard or the operator dies before.
    Work {
        index: usize,
        hears: bool,
        fails: bool,
    },
    /// A request.
    Ask { kind: &'static str, id: u8 },
    /// A request is taken back.
    Withdraw(&'static str),
    /// A control quotes an id.
    Control {
        kind: &'static str,
        control: &'static str,
        id: u8,
        set: bool,
    },
    /// So many nodes in each rack.
    Nodes(i32),
    /// So many racks.
    Racks(usize),
    /// Another image.
    Image(u8),
    /// Another transport to the nodes, with the image that has it.
    NodeApi(NodeTransport),
    /// A node hangs, or comes back.
    Hang { index: usize, back: bool },
    /// A pod is deleted.
    Lose(usize),
    /// A node is lost with its volume.
    LoseVolume(usize),
    /// A StatefulSet is deleted, and its pods stay.
    Orphan(usize),
    /// The spec asks for what is refused, or no more.
    Refuse(bool),
    /// Another encryption between the nodes.
    Internode(InternodeMode),
}

fn event() -> impl Strategy<Value = Event> {
    let kind = || prop::sample::select(&KINDS[..]);
    let control = prop_oneof![Just("pause"), Just("cancel"), Just("retry")];
    prop_oneof![
        6 => (0_usize..12).prop_map(Event::Pass),
        6 => Just(Event::Pass(usize::MAX)),
        6 => Just(Event::Tick),
        6 => (any::<usize>(), prop::bool::weighted(0.8), prop::bool::weighted(0.1))
            .prop_map(|(index, hears, fails)| Event::Work { index, hears, fails }),
        3 => (kind(), 0_u8..4).prop_map(|(kind, id)| Event::Ask { kind, id }),
        1 => kind().prop_map(Event::Withdraw),
        1 => (kind(), control, 0_u8..4, any::<bool>())
            .prop_map(|(kind, control, id, set)| Event::Control { kind, control, id, set }),
        1 => (1_i32..4).prop_map(Event::Nodes),
        1 => (1_usize..4).prop_map(Event::Racks),
        1 => (0_u8..3).prop_map(Event::Image),
        1 => proptest::sample::select(&NodeTransport::ALL[..]).prop_map(Event::NodeApi),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(index, back)| Event::Hang { index, back }),
        1 => any::<usize>().prop_map(Event::Lose),
        1 => any::<usize>().prop_map(Event::LoseVolume),
        1 => any::<usize>().prop_map(Event::Orphan),
        1 => any::<bool>().prop_map(Event::Refuse),
    ]
}

fn happen(world: &mut World, event: &Event) {
    match *event {
        Event::Pass(effects) => {
            if !world.pass_until(effects) {
                world.kill_operator();
            }
        }
        Event::Tick => world.tick(),
        Event::Work {
            index,
            hears,
            fails,
        } => world.work(index, hears, fails),
        Event::Ask { kind, id } => {
            let arguments = match kind {
                "snapshot" => "--name kept",
                "restart" => "--drain",
                _ => "",
            };
            world.annotate(kind, Some(&format!("id-{id} {arguments}")));
        }
        Event::Withdraw(kind) => world.annotate(kind, None),
        Event::Control {
            kind,
            control,
            id,
            set,
        } => {
            let id = format!("id-{id}");
            world.annotate(&format!("{kind}.{control}"), set.then_some(id.as_str()));
        }
        Event::Nodes(nodes) => {
            world.edit(|cluster| cluster.spec.nodes_per_racks = Some(nodes));
        }
        Event::Racks(racks) => {
            world.edit(|cluster| {
                let dc = &mut cluster.spec.topology.as_mut().expect("a topology").dc[0];
                dc.rack = (1..=racks)
                    .map(|rack| Rack {
                        name: format!("rack{rack}"),
                        ..Rack::default()
                    })
                    .collect();
            });
        }
        Event::Image(number) => {
            world.edit(|cluster| set_image(cluster, number));
        }
        Event::NodeApi(kind) => {
            world.secret = SecretState::Usable;
            world.edit(|cluster| turn(cluster, kind));
        }
        Event::Hang { index, back } => {
            let count = world.pods.len().max(1);
            if let Some(pod) = world.pods.values_mut().nth(index % count) {
                match (pod.node, back) {
                    (Node::Normal, false) => pod.node = Node::Hanging,
                    (Node::Hanging, true) => pod.node = Node::Normal,
                    _ => {}
                }
            }
        }
        Event::Lose(index) => {
            let count = world.pods.len().max(1);
            let lost = world.pods.iter().nth(index % count);
            // A second node that streams at the same time would be Kubernetes' doing, not ours.
            if let Some(name) = lost.map(|(name, _)| name.clone())
                && name.ends_with("-0")
            {
                world.pods.remove(&name);
            }
        }
        Event::LoseVolume(index) => {
            let members = world.pods.iter().filter(|(name, pod)| {
                // One that is lost before anybody saw it as a member joins as another one.
                let set = names::stateful_set("demo", &pod.rack);
                let told = world.live.config_maps.get(&set).map(config_map::nodes);
                let is_known = told.is_some_and(|told| told.members.contains_key(*name));
                pod.node == Node::Normal && is_known
            });
            let members: Vec<String> = members.map(|(name, _)| name.clone()).collect();
            let Some(name) = members.get(index % members.len().max(1)) else {
                return;
            };
            // Of the data of all of them nothing would be left; nor where the others hand theirs over to it.
            let stays = |other: &&String| *other != name && !leaves(world, other);
            if world.lost.is_empty() && members.iter().any(|other| stays(&other)) {
                world.lose(name);
            }
        }
        Event::Orphan(index) => {
            let count = world.live.stateful_sets.len().max(1);
            let set = world.live.stateful_sets.keys().nth(index % count).cloned();
            let set = set.filter(|set| !has_left(world, set));
            set.and_then(|set| world.live.stateful_sets.remove(&set));
        }
        Event::Refuse(is_refused) => {
            let size = if is_refused { "1Mi" } else { "1Gi" };
            world.edit(|cluster| cluster.spec.data_capacity = Some(size.into()));
        }
        Event::Internode(mode) => world.edit(|cluster| set_mode(cluster, mode, None)),
    }
}

/// Whether a node of a StatefulSet has left: it starts no more on its volume, and a person who takes the StatefulSet away deletes
/// that, too.
fn has_left(world: &World, set: &str) -> bool {
    let mut pods = world.pods.iter();
    pods.any(|(name, pod)| {
        let is_its = names::stateful_set("demo", &pod.rack) == set;
        is_its && (pod.node == Node::Decommissioned || leaves(world, name))
    })
}

/// Whether a node was told to leave the ring, or is about to be.
fn leaves(world: &World, pod: &str) -> bool {
    let operations = world.status().operations;
    let mut leaving = operations
        .iter()
        .filter(|operation| {
            operation.kind == OperationKind::Decommission && !operation.phase.is_final()
        })
        .flat_map(|operation| &operation.nodes);
    leaving.any(|node| node.pod == pod)
}

/// Racks of which some pod is not made from the newest template: those that are being rolled.
fn rolling(world: &World) -> BTreeSet<String> {
    let sets = world.live.stateful_sets.iter().filter(|(_, set)| {
        let template = &set.spec.as_ref().expect("a spec").template;
        let revision = crate::digest::digest(template);
        let name = set.metadata.name.clone().unwrap_or_default();
        let held = partition(set);
        world.pods.iter().any(|(pod, made)| {
            let ordinal = pod.strip_prefix(&format!("{name}-"));
            let ordinal = ordinal.and_then(|ordinal| ordinal.parse().ok());
            ordinal.is_some_and(|ordinal: i32| ordinal >= held) && made.revision != revision
        })
    });
    sets.map(|(name, _)| name.clone()).collect()
}

/// Racks of which Kubernetes takes a node down next, also if the spec does not have them.
fn about_to_roll(world: &World) -> BTreeSet<String> {
    let mut racks = rolling(world);
    racks.retain(|set| {
        nodes_of(world, set)
            .iter()
            .all(|node| *node == Node::Normal)
    });
    racks
}

fn nodes_of(world: &World, set: &str) -> Vec<Node> {
    let pods = world.pods.values();
    let its = pods.filter(|pod| names::stateful_set("demo", &pod.rack) == set);
    its.map(|pod| pod.node).collect()
}

/// Whether a member or a pod has no `StatefulSet`, which was taken away by hand, and the spec may not know its rack. A person
/// puts the rack back, or removes them.
fn needs_its_rack(world: &World) -> bool {
    let members = world
        .ring
        .keys()
        .filter_map(|host| world.locations.get(host));
    let mut racks = members.chain(world.pods.values().map(|pod| &pod.rack));
    racks.any(|rack| {
        let set = names::stateful_set("demo", rack);
        !world.live.stateful_sets.contains_key(&set)
    })
}

/// A person has the lost nodes replaced, one after the other, with their racks as large as they ever were.
fn replace_the_lost(world: &mut World) {
    let is_well = |world: &World, pod: &String| {
        let pod = world.pods.get(pod);
        pod.is_some_and(|pod| matches!(pod.node, Node::Normal | Node::Starting | Node::Joining))
    };
    let mut lost = world.lost.clone();
    lost.retain(|pod| !is_well(world, pod));
    let asked = world.cluster.spec.clone();
    if !lost.is_empty() {
        happen(world, &Event::Racks(3));
        happen(world, &Event::Nodes(3));
    }
    // An operation at work on such a node gives it up after some hours, and its replacement waits for that.
    world.pass();
    let waits = |world: &World| world.at_work.iter().position(|(_, pod)| lost.contains(pod));
    while let Some(index) = waits(world) {
        world.work(index, true, true);
    }
    for pod in &lost {
        // A state that waits for a person does not settle: the decommission of a node that failed to leave is retried.
        for _ in 0..100 {
            world.pass();
            world.tick();
            world.work(0, true, false);
        }
        if is_well(world, pod) {
            continue;
        }
        let id = format!("mend-{pod}");
        let waived = format!("{id} replicas-remain nodes-up");
        world.annotate("replace.waive", Some(&waived));
        // A node that failed to leave waits for the lost one, and the replacement for the end of that.
        let operations = world.status().operations;
        let stays = operations.iter().find(|operation| {
            operation.kind == OperationKind::Decommission && !operation.phase.is_final()
        });
        let waived = stays.map(|operation| format!("{} nodes-up", operation.id));
        world.annotate("decommission.waive", waived.as_deref());
        let value = format!("{id} --pod {pod} --cluster-uid {UID}");
        world.annotate("replace", Some(&value));
        world.settle();
    }
    remove_the_forgotten(world);
    world.edit(|cluster| cluster.spec = asked);
}

/// Of a node that was lost together with its `StatefulSet` nothing is left but its place in the ring.
fn remove_the_forgotten(world: &mut World) {
    let mut forgotten = world.ring.clone();
    forgotten.retain(|host, _| !world.may_come_back(host));
    for host in forgotten.keys() {
        world.remove_by_hand(host);
    }
}

/// Invariants at every moment.
fn check(world: &World, before: &World, event: &Event) -> Result<(), TestCaseError> {
    let by_hand = matches!(event, Event::Orphan(_));
    for (name, set) in before.live.stateful_sets.iter().filter(|_| !by_hand) {
        let after = world.live.stateful_sets.get(name).map_or(0, replicas);
        prop_assert!((after - replicas(set)).abs() <= 1, "{name} changes by one");
    }
    let formed = before
        .status()
        .phase
        .is_some_and(|phase| phase.as_str() != "Initializing");
    if formed {
        let started: Vec<_> = rolling(world)
            .difference(&rolling(before))
            .cloned()
            .collect();
        prop_assert!(
            started.len() <= 1,
            "one rack changes at a time: {started:?}"
        );
        let mut serving = started;
        serving.retain(|set| nodes_of(before, set).contains(&Node::Normal));
        let next = about_to_roll(before);
        prop_assert!(
            serving.is_empty() || next.is_empty(),
            "{serving:?} changes while Kubernetes takes down a node of {next:?}"
        );
    }
    // A call whose end the others have seen is recorded as done, and may still wait for an answer.
    let status = world.status();
    let is_awaited = |(kind, pod): &&(OperationKind, String)| {
        let mut operations = status.operations.iter();
        let operation = operations.find(|operation| operation.kind == *kind);
        let mut nodes = operation.iter().flat_map(|operation| &operation.nodes);
        nodes.any(|node| node.pod == *pod && node.phase == NodePhase::Running)
    };
    let awaited: Vec<_> = world.at_work.iter().filter(is_awaited).collect();
    prop_assert!(awaited.len() <= 1, "one node at a time: {awaited:?}");
    Ok(())
}

/// The faults stop: all nodes come back, and no control holds an operation. Nothing was skipped, and nothing is left to do.
fn ends(world: &mut World) -> Result<(), TestCaseError> {
    world.kill_operator();
    for kind in KINDS {
        for control in ["pause", "cancel", "retry"] {
            world.annotate(&format!("{kind}.{control}"), None);
        }
    }
    let hanging = world.pods.values_mut();
    for pod in hanging.filter(|pod| pod.node == Node::Hanging) {
        pod.node = Node::Normal;
    }
    happen(world, &Event::Refuse(false));
    if needs_its_rack(world) {
        happen(world, &Event::Racks(3));
    }
    replace_the_lost(world);
    // Nodes leave only when the cleanups are paid that growth has left behind.
    world.edit(|cluster| cluster.spec.auto_pilot = Some(true));
    world.settle();
    let status = world.status();
    prop_assert!(
        status.phase == Some(Phase::Running),
        "{} {:?} {:?}",
        world.condition("Progressing"),
        world.at_work,
        status.operations
    );
    for operation in &status.operations {
        prop_assert!(operation.phase.is_final(), "{operation:?}");
        let plan = operation.plan.as_ref();
        let Some(plan) = plan.filter(|_| operation.phase == OperationPhase::Succeeded) else {
            continue;
        };
        for pod in plan.waves.iter().flatten() {
            for step in &plan.steps {
                let (kind, id) = (operation.kind.to_string(), operation.id.clone());
                let call = (kind, id, pod.clone(), step.clone());
                prop_assert!(world.calls.contains(&call), "{call:?} was skipped");
            }
        }
    }
    // A request that ended is not run again, whoever asks.
    let calls = world.calls.len();
    for old in status.operation_history.iter().chain(&status.operations) {
        world.annotate(old.kind.as_str(), Some(&old.id));
        world.settle();
    }
    prop_assert_eq!(world.calls.len(), calls);
    Ok(())
}

fn world() -> World {
    let mut world = World::new(THREE_RACKS);
    world.cluster.metadata.uid = Some(UID.into());
    world
}

/// The same events, and changes of the encryption between the nodes.
fn event_with_encryption() -> impl Strategy<Value = Event> {
    let mode = prop::sample::select(&InternodeMode::ALL[..]);
    prop_oneof![
        24 => event(),
        1 => mode.prop_map(Event::Internode),
    ]
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn nothing_is_lost_and_it_ends(events in prop::collection::vec(event(), 1..100)) {
        let mut world = world();
        for event in &events {
            let before = world.clone();
            happen(&mut world, event);
            check(&world, &before, event)?;
        }
        ends(&mut world)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: histories().cases.div_ceil(4), ..histories() })]

    #[test]
    fn nodes_understand_each_other_while_their_encryption_changes(
        events in prop::collection::vec(event_with_encryption(), 1..150),
    ) {
        let mut world = world();
        for event in &events {
            let before = world.clone();
            happen(&mut world, event);
            check(&world, &before, event)?;
            assert_understood(&world);
        }
        ends(&mut world)?;
        assert_understood(&world);
        let asked = world.cluster.spec.internode_mode();
        prop_assert!(world.pods.values().all(|pod| pod.encryption.internode == asked));
    }
}
