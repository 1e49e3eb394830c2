//! Random histories of two operators of one `MultiCasskop` that overlap for any time, with reads of any age, and writes that
//! are refused, lost after they are committed, or repeated. There is never a second ring (the model asserts it), no cluster
//! with nodes is deleted, and in the end everything is as asked.

use std::collections::VecDeque;

use proptest::prelude::*;

use crate::{
    multi::{
        observed::{ObservedSites, has_nodes},
        plan::{self, SiteObject, Write},
        simulation::{TWO_SITES, World, of_b},
    },
    testing::histories,
};

/// How an API server treats a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It is committed and answered.
    Ok,
    /// It is not committed.
    Refused,
    /// It is committed, and the answer is an error or lost.
    Lost,
    /// It is committed twice.
    Repeated,
}

#[derive(Clone, Debug)]
enum Event {
    /// An operator decides from what it sees now, or has seen at some time, and writes the status.
    Decide {
        by: usize,
        is_stale: bool,
        answer: Answer,
    },
    /// An operator writes one of the objects that it decided about: sites answer in any order.
    Write {
        by: usize,
        index: usize,
        answer: Answer,
    },
    Die(usize),
    Tick,
    Cut(bool),
    Heal,
    Edit(u8),
    Request(u8),
    /// Another number of nodes in the site b.
    Empty(bool),
    /// The site b is taken out, or put back.
    TakeOut(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let answer = || {
        prop_oneof![
            6 => Just(Answer::Ok),
            1 => Just(Answer::Refused),
            1 => Just(Answer::Lost),
            1 => Just(Answer::Repeated),
        ]
    };
    prop_oneof![
        8 => (0_usize..2, prop::bool::weighted(0.3), answer())
            .prop_map(|(by, is_stale, answer)| Event::Decide { by, is_stale, answer }),
        12 => (0_usize..2, any::<usize>(), answer())
            .prop_map(|(by, index, answer)| Event::Write { by, index, answer }),
        1 => (0_usize..2).prop_map(Event::Die),
        8 => Just(Event::Tick),
        1 => any::<bool>().prop_map(Event::Cut),
        2 => Just(Event::Heal),
        2 => (0..4_u8).prop_map(Event::Edit),
        1 => (0..4_u8).prop_map(Event::Request),
        2 => any::<bool>().prop_map(Event::Empty),
        2 => any::<bool>().prop_map(Event::TakeOut),
    ]
}

/// One process of the operator.
#[derive(Default)]
struct Operator {
    view: Option<ObservedSites>,
    writes: VecDeque<Write>,
}

struct History {
    world: World,
    operators: [Operator; 2],
    site_b: serde_json::Value,
}

impl History {
    fn new() -> Self {
        let mut world = World::new(TWO_SITES);
        Self {
            site_b: of_b(&mut world.multi).clone(),
            world,
            operators: Default::default(),
        }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Decide {
                by,
                is_stale,
                answer,
            } => self.decide(by, is_stale, answer),
            Event::Write { by, index, answer } => self.write(by, index, answer),
            Event::Die(by) => self.operators[by] = Operator::default(),
            Event::Tick => self.world.tick(),
            Event::Cut(second) => {
                let name = if second { "b" } else { "a" };
                self.world.site(name).is_cut = true;
            }
            Event::Heal => {
                for site in self.world.sites.values_mut() {
                    site.is_cut = false;
                }
            }
            Event::Edit(image) => self.world.edit(|multi| {
                multi.spec.base["spec"]["cassandraImage"] = format!("cassandra:5.0.{image}").into();
            }),
            Event::Request(id) => self.world.request("cleanup", Some(&format!("id-{id}"))),
            Event::Empty(is_empty) => {
                let nodes = i32::from(!is_empty);
                self.site_b["spec"]["topology"]["dc"][0]["nodesPerRacks"] = nodes.into();
                let site = self.site_b.clone();
                self.world.edit(|multi| {
                    if multi.spec.override_.contains_key("b") {
                        multi.spec.override_.insert("b".into(), site);
                    }
                });
            }
            Event::TakeOut(is_out) => {
                let site = self.site_b.clone();
                self.world.edit(|multi| {
                    if is_out {
                        multi.spec.override_.remove("b");
                    } else {
                        multi.spec.override_.insert("b".into(), site);
                    }
                });
            }
        }
    }

    fn decide(&mut self, by: usize, is_stale: bool, answer: Answer) {
        let operator = &mut self.operators[by];
        if !is_stale || operator.view.is_none() {
            operator.view = Some(self.world.snapshot());
        }
        operator.writes.clear();
        let Some(view) = &operator.view else { return };
        let plan = plan::decide(view);
        // A status that stays as it was seen is not written.
        let is_written = view.multi.status.as_ref() != Some(&plan.status);
        let is_current = view.multi == self.world.multi;
        if is_written && (!is_current || answer == Answer::Refused) {
            return;
        }
        if is_written {
            self.world.multi.status = Some(plan.status.clone());
        }
        let is_answered = !is_written || answer == Answer::Ok;
        if is_answered {
            operator.writes.extend(plan.writes);
        }
    }

    fn write(&mut self, by: usize, index: usize, answer: Answer) {
        let writes = &mut self.operators[by].writes;
        if writes.is_empty() {
            return;
        }
        let Some(write) = writes.remove(index % writes.len()) else {
            return;
        };
        let times = match answer {
            Answer::Refused => 0,
            Answer::Ok | Answer::Lost => 1,
            Answer::Repeated => 2,
        };
        for _ in 0..times {
            if self.is_accepted(&write) {
                if let SiteObject::Delete(cluster) = &write.what {
                    assert!(!has_nodes(cluster), "a cluster with nodes is deleted");
                }
                self.world.write(&write.site, write.what.clone());
            }
        }
    }

    /// Whether the site answers, and its API server accepts the write.
    fn is_accepted(&self, write: &Write) -> bool {
        let site = &self.world.sites[&write.site];
        let is_accepted = match &write.what {
            SiteObject::Create(_) => site.cluster.is_none(),
            SiteObject::Change { before, .. } | SiteObject::Delete(before) => {
                site.cluster.as_ref() == Some(&**before)
            }
            SiteObject::Service(_) | SiteObject::Slice(_) | SiteObject::DropSlice(_) => true,
        };
        is_accepted && !site.is_cut
    }
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn two_operators_form_one_ring_and_delete_no_nodes(
        events in prop::collection::vec(event(), 0..120),
    ) {
        let mut history = History::new();
        for event in &events {
            history.happen(event);
        }
        for event in [Event::Heal, Event::Empty(false), Event::TakeOut(false)] {
            history.happen(&event);
        }
        let mut world = history.world;
        world.settle();
        world.settle();
        prop_assert_eq!(world.rings, 1);
        prop_assert_eq!(world.status().summary, "2/2");
        let image = world.multi.spec.base["spec"]["cassandraImage"].as_str();
        for site in ["a", "b"] {
            prop_assert_eq!(world.cluster(site).spec.cassandra_image.as_deref(), image);
        }
        let before = world.status();
        prop_assert!(world.plan().writes.is_empty(), "{:?}", world.plan().writes);
        world.pass();
        prop_assert_eq!(world.status(), before);
    }
}
