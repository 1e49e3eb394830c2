//! How the pods of a ring were started with encryption between the nodes, and the mode that is next. Nodes of neighbouring
//! modes understand each other, so that a ring changes by one mode at a time, and no pod is started in another one before
//! all pods are there in the present one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use casskop_common::{
    api::{InternodeMode, LoginStep},
    names::{self, RackId},
};
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::ConfigMap};
use kube_core::ResourceExt;

use crate::{
    observed::{NodePod, OwnedObjects, rack_of, replicas},
    pod_config::{INTERNODE_SECTION, RackConfig},
};

/// How the pods of a ring were started, and would be started anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// The modes of all pods and templates.
    pub modes: BTreeSet<InternodeMode>,
    /// The modes of the pods that are Ready.
    pub ready: BTreeSet<InternodeMode>,
    /// The Secrets with certificates between nodes that they mount.
    pub secrets: BTreeSet<String>,
    /// The one of them to go on with where the spec names none.
    pub mounted: Option<String>,
    /// The logins of clients.
    pub logins: Logins,
    /// Whether there are volumes of nodes: a ring without pods is not a new one then.
    pub has_volumes: bool,
    /// Whether every pod is there and Ready.
    pub is_complete: bool,
    /// Whether nodes encrypt by a section of the user in `cassandra.yaml`, which no mode understands.
    pub encrypts_by_config: bool,
}

/// How the pods of a ring were started with respect to logins of clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logins {
    /// The steps of all pods and templates.
    pub steps: BTreeSet<LoginStep>,
    /// The steps of the pods that are Ready.
    pub ready: BTreeSet<LoginStep>,
    /// The racks whose pods set up logins.
    pub setting_up: BTreeSet<RackId>,
    /// Whether Cassandra has accepted the superuser of this resource: its ring has logins, however its pods were started.
    pub has_superuser: bool,
    /// Whether the first nodes of all racks formed a ring at some time, as the configuration of a rack records.
    pub is_formed: bool,
}

impl Started {
    /// Reads it from the objects of a cluster.
    pub fn of(cluster: &str, live: &OwnedObjects, pods: &BTreeMap<String, NodePod>) -> Self {
        let sets = &live.stateful_sets;
        let templates: Vec<NodePod> = sets.values().filter_map(NodePod::of_template).collect();
        // A pod without a rack is no node, and one that ends without a StatefulSet is of a ring that was deleted.
        let is_node = |pod: &&NodePod| pod.rack.is_some() && !(sets.is_empty() && pod.deleting);
        let nodes = || pods.values().filter(is_node);
        let all = || nodes().chain(&templates);
        let expected = sets.values().flat_map(|set| expected(cluster, set));
        let mut expected = expected.map(|pod| pods.get(&pod));
        let ready = || nodes().filter(|pod| pod.ready && !pod.deleting);
        Self {
            modes: all().map(|pod| pod.encryption.internode).collect(),
            ready: ready().map(|pod| pod.encryption.internode).collect(),
            logins: Logins {
                steps: all().map(|pod| pod.logins).collect(),
                ready: ready().map(|pod| pod.logins).collect(),
                setting_up: all()
                    .filter(|pod| pod.logins == LoginStep::SetUp)
                    .filter_map(|pod| pod.rack.clone())
                    .collect(),
                has_superuser: false,
                is_formed: live.config_maps.values().any(is_formed),
            },
            has_volumes: !live.volumes.is_empty(),
            encrypts_by_config: live.config_maps.values().any(encrypts_by_config),
            secrets: all()
                .filter_map(|pod| pod.secrets.internode.clone())
                .collect(),
            mounted: mounted(nodes(), &templates),
            is_complete: !sets.is_empty()
                && expected.all(|pod| pod.is_some_and(|pod| pod.ready && !pod.deleting)),
        }
    }

    /// The mode that pods are started in now, on the way to `target`, with this Secret. A ring without pods starts at the
    /// target. A change that was withdrawn turns round where it is.
    pub fn next(&self, target: InternodeMode, secret: &str) -> InternodeMode {
        let is_of = |mounted: &String| mounted == secret;
        match (self.modes.first(), self.modes.last()) {
            (Some(first), Some(last)) if first != last => self.between(*first, *last, target),
            (Some(mode), _) if self.is_complete && self.secrets.iter().all(is_of) => {
                mode.towards(target)
            }
            (Some(mode), _) => *mode,
            (None, _) => target,
        }
    }

    /// The mode of two that pods are started in on the way to `target`. From one of a pod that an earlier version of the
    /// operator has written, no step may lead to those of the nodes that serve: they decide.
    fn between(
        &self,
        first: InternodeMode,
        last: InternodeMode,
        target: InternodeMode,
    ) -> InternodeMode {
        let serving = self.ready.first().zip(self.ready.last());
        match serving {
            Some((low, high)) if first.towards(last) != last => target.clamp(*low, *high),
            _ => target.clamp(first, last),
        }
    }

    /// The step of logins that pods are started in now, where the spec asks for logins. The first node of a new ring sets
    /// them up, and its pod is Ready when they are; nodes that join others, come back to their volumes, or begin with a backup
    /// (`is_restored`), find them set up.
    pub fn next_login_step(&self, is_restored: bool) -> LoginStep {
        let sets_up = [LoginStep::SetUp].into();
        let is_new = self.logins.steps.is_empty() && !self.has_volumes && !is_restored;
        let is_set_up = self.is_complete && self.logins.ready == sets_up;
        if is_new || (self.logins.steps == sets_up && !is_set_up) {
            LoginStep::SetUp
        } else {
            LoginStep::Required
        }
    }

    /// Whether a node may open encrypted connections.
    pub fn sends_encrypted(&self) -> bool {
        self.modes.iter().any(|mode| mode.sends_encrypted())
    }
}

/// Of several Secrets with certificates between nodes the one that nodes may encrypt with, then the one of most pods, then that of
/// most templates. A change to it makes it more so: the choice stays.
fn mounted<'a>(
    pods: impl Iterator<Item = &'a NodePod>,
    templates: &'a [NodePod],
) -> Option<String> {
    let mut found: BTreeMap<&String, (bool, usize, usize)> = BTreeMap::new();
    let pods = pods.map(|pod| (pod, true));
    for (pod, runs) in pods.chain(templates.iter().map(|pod| (pod, false))) {
        let Some(secret) = &pod.secrets.internode else {
            continue;
        };
        let (encrypts, of_pods, of_templates) = found.entry(secret).or_default();
        *encrypts |= pod.encryption.internode.sends_encrypted();
        *of_pods += usize::from(runs);
        *of_templates += usize::from(!runs);
    }
    let chosen = found
        .into_iter()
        .max_by_key(|(name, uses)| (*uses, Reverse(*name)));
    chosen.map(|(name, _)| name.clone())
}

/// Pods that a StatefulSet should have.
fn expected(cluster: &str, set: &StatefulSet) -> Vec<String> {
    let rack = rack_of(set).unwrap_or_else(|| RackId::new("", set.name_any()));
    let ordinals = 0..replicas(set);
    ordinals
        .map(|ordinal| names::pod(cluster, &rack, ordinal))
        .collect()
}

fn is_formed(map: &ConfigMap) -> bool {
    RackConfig::of(map).is_some_and(|rack| rack.formed)
}

fn encrypts_by_config(map: &ConfigMap) -> bool {
    let config = RackConfig::of(map).map(|rack| rack.config);
    let yaml = config.and_then(|config| config.get("cassandra-yaml").cloned());
    let section = yaml.as_ref().and_then(|yaml| yaml.get(INTERNODE_SECTION));
    section
        .and_then(|section| section.get("internode_encryption"))
        .is_some_and(|encryption| encryption != "none")
}

#[cfg(test)]
mod tests {
    use InternodeMode::{Disabled, Optional, Preferred, Required};
    use LoginStep::SetUp;

    use super::*;

    #[test]
    fn the_nodes_that_serve_decide_where_no_step_leads() {
        let started = Started {
            modes: [Disabled, Preferred, Required].into(),
            ready: [Preferred, Required].into(),
            ..Started::default()
        };
        assert_eq!(started.next(Disabled, ""), Preferred);
        assert_eq!(started.next(Required, ""), Required);
        let neighbours = Started {
            modes: [Optional, Preferred].into(),
            ready: [Optional].into(),
            ..Started::default()
        };
        assert_eq!(neighbours.next(Required, ""), Preferred);
        assert_eq!(neighbours.next(Disabled, ""), Optional);
    }

    #[test]
    fn only_a_pod_that_is_ready_leads_on_from_the_set_up() {
        let steps = |steps: &[LoginStep], ready: &[LoginStep]| Logins {
            steps: steps.iter().copied().collect(),
            ready: ready.iter().copied().collect(),
            ..Logins::default()
        };
        let sets_up = || Started {
            logins: steps(&[SetUp], &[]),
            has_volumes: true,
            ..Started::default()
        };
        assert_eq!(Started::default().next_login_step(false), SetUp);
        // The roles of the backup have a superuser.
        let restored = Started::default().next_login_step(true);
        assert_eq!(restored, LoginStep::Required);
        assert_eq!(sets_up().next_login_step(true), SetUp);
        assert_eq!(sets_up().next_login_step(false), SetUp);
        // A StatefulSet that a person has scaled to nothing is complete.
        let is_complete = true;
        let complete = || Started {
            is_complete,
            ..sets_up()
        };
        assert_eq!(complete().next_login_step(false), SetUp);
        let ready = Started {
            logins: steps(&[SetUp], &[SetUp]),
            ..complete()
        };
        assert_eq!(ready.next_login_step(false), LoginStep::Required);
        // An operator without logins has started pods.
        let opened = [LoginStep::Disabled, LoginStep::Required];
        for opened in [&opened[..1], &opened, &[]] {
            let opened = Started {
                logins: steps(opened, &[]),
                ..sets_up()
            };
            assert_eq!(opened.next_login_step(false), LoginStep::Required);
        }
    }

    #[test]
    fn of_several_secrets_the_one_that_pods_were_started_with_is_gone_on_with() {
        let pod = |secret: &str, internode| {
            let mut pod = NodePod::default();
            pod.secrets.internode = Some(secret.to_owned());
            pod.encryption.internode = internode;
            pod
        };
        let of = |pods: &[(&str, InternodeMode)], templates: &[&str]| {
            let pods: Vec<_> = pods.iter().map(|(name, mode)| pod(name, *mode)).collect();
            let templates = templates.iter().map(|name| pod(name, Optional));
            let templates: Vec<_> = templates.collect();
            mounted(pods.iter(), &templates).unwrap_or_default()
        };
        let (a, b) = (("a", Optional), ("b", Optional));
        assert_eq!(of(&[], &[]), "");
        assert_eq!(of(&[b, a, b], &["a", "a", "a"]), "b");
        assert_eq!(of(&[a, b], &["b"]), "b", "the templates decide");
        assert_eq!(of(&[b, a], &["b", "a"]), "a", "both are as good");
        // The Secret that a node may encrypt with.
        assert_eq!(of(&[a, ("b", Preferred), a], &["a"]), "b");
        // Every pod that is replaced makes the choice clearer.
        assert_eq!(of(&[b, b, b], &["b", "a"]), "b");
    }

    #[test]
    fn a_pod_without_a_rack_and_one_of_a_deleted_ring_are_no_nodes() {
        let nothing = OwnedObjects::default();
        let of = |pod: NodePod| Started::of("demo", &nothing, &[("pod".to_owned(), pod)].into());
        let helper = NodePod {
            ready: true,
            ..NodePod::default()
        };
        assert_eq!(of(helper.clone()), Started::default());
        let node = NodePod {
            rack: Some(RackId::new("dc1", "rack1")),
            ..helper
        };
        let ending = NodePod {
            deleting: true,
            ..node.clone()
        };
        assert_eq!(of(ending), Started::default());
        // One whose StatefulSet was deleted by hand serves on, and no step begins.
        let orphan = of(node);
        assert_eq!(orphan.next(Required, ""), Disabled);
    }
}
