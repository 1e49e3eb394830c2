//! Model of Kubernetes: an API server that accepts writes and deletions, and StatefulSets that create and roll out
//! pods.

use casskop_common::names::{self, RackId};
use k8s_openapi::api::{
    apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetStatus},
    core,
};
use kube_core::ResourceExt;

use crate::{
    objects::{Object, VolumeOwner, config_map, volume_owner::OwnedKind},
    observed::{NodePod, OwnedObjects, Volume, rack_of, replicas},
    pod_config::LostVolume,
    rollout::removal::Removal,
    simulation::{Node, Pod, World},
};

impl World {
    /// Whether the API server accepts an object that was decided about from the objects `seen`.
    pub fn accepts(&self, object: &Object, seen: &OwnedObjects) -> bool {
        fn version<K: ResourceExt>(of: Option<&K>) -> Option<String> {
            of.and_then(ResourceExt::resource_version)
        }
        let (live, sets) = (&self.live, &self.live.stateful_sets);
        match object {
            Object::ServiceAccount(_) | Object::Service(_) | Object::Budget(_) => true,
            Object::ConfigMap(map) => {
                let name = map.name_any();
                version(live.config_maps.get(&name)) == version(seen.config_maps.get(&name))
            }
            Object::StatefulSet(set) | Object::Recreated(set) => {
                let name = set.name_any();
                version(sets.get(&name)) == version(seen.stateful_sets.get(&name))
            }
            Object::Fence(fence) => version(sets.get(&fence.set)).as_ref() == Some(&fence.version),
            Object::VolumeExpansion(growth) => {
                let volume = live.volumes.get(&growth.name);
                volume.is_some_and(|volume| volume.uid == growth.uid)
            }
            Object::VolumeOwner(owner) => {
                let volume = live.volumes.get(&owner.name);
                volume.is_some_and(|volume| {
                    (&volume.uid, &volume.version) == (&owner.uid, &owner.version)
                })
            }
        }
    }

    fn next_version(&mut self) -> String {
        self.newest += 1;
        self.newest.to_string()
    }

    /// Applies an object.
    pub fn apply(&mut self, object: &Object) {
        match object.clone() {
            Object::ServiceAccount(object) => drop(
                self.live
                    .service_accounts
                    .insert(object.name_any(), *object),
            ),
            Object::Service(mut object) => {
                let name = object.name_any();
                object.metadata.uid = Some(format!("service-{name}"));
                self.live.services.insert(name, *object);
            }
            Object::Budget(object) => drop(self.live.budgets.insert(object.name_any(), *object)),
            Object::ConfigMap(object) => {
                let version = self.next_version();
                let (name, mut object) = (object.name_any(), *object);
                let old = self.live.config_maps.remove(&name);
                let meta = &mut object.metadata;
                meta.uid = Some(format!("map-{name}"));
                meta.resource_version = Some(version);
                // Server-side apply keeps the owners of another manager.
                let owners = old.and_then(|old| old.metadata.owner_references);
                meta.owner_references = meta.owner_references.take().or(owners);
                self.live.config_maps.insert(name, object);
            }
            Object::Fence(fence) => {
                let version = Some(self.next_version());
                let set = self.live.stateful_sets.get_mut(&fence.set);
                let set = set.expect("it was seen");
                set.metadata.resource_version = version;
                let annotations = set.annotations_mut();
                annotations.insert(names::FENCED_VERSION.into(), fence.recorded);
            }
            Object::VolumeExpansion(growth) => {
                let volume = self
                    .live
                    .volumes
                    .get_mut(&growth.name)
                    .expect("it was seen");
                assert_eq!(volume.uid, growth.uid);
                volume.requested.clone_from(&growth.size);
                volume.capacity = Some(growth.size);
            }
            Object::VolumeOwner(owner) => self.own(owner),
            Object::StatefulSet(object) | Object::Recreated(object) => {
                let mut set = *object;
                set.metadata.resource_version = Some(self.next_version());
                let old = self.live.stateful_sets.get(&set.name_any());
                let generation = old.and_then(|old| old.metadata.generation).unwrap_or(0);
                set.metadata.generation = Some(generation + 1);
                let fenced = old.and_then(|old| old.annotations().get(names::FENCED_VERSION));
                let fenced =
                    fenced.map(|fenced| (names::FENCED_VERSION.to_owned(), fenced.clone()));
                set.annotations_mut().extend(fenced);
                set.status = old.and_then(|old| old.status.clone());
                self.live.stateful_sets.insert(set.name_any(), set);
            }
        }
    }

    /// Whether the API server accepts a removal: the object is the observed one.
    pub fn accepts_removal(&self, removal: &Removal, seen: &OwnedObjects) -> bool {
        let sets = &self.live.stateful_sets;
        let version = |set: &String| sets.get(set)?.resource_version();
        match removal {
            Removal::Pods {
                set, version: seen, ..
            } => version(set).as_ref() == Some(seen),
            Removal::Rack { set, .. } => {
                let seen = seen.stateful_sets.get(set);
                sets.contains_key(set)
                    && version(set) == seen.and_then(ResourceExt::resource_version)
            }
            Removal::Pod { name, version, .. } => {
                let pod = self.pods.get(name);
                pod.is_some_and(|pod| pod_version(pod) == *version)
            }
            Removal::Volume { name, uid } => {
                let volume = self.live.volumes.get(name);
                volume.is_some_and(|volume| volume.uid == *uid)
            }
        }
    }

    /// Changes the owners of a volume or of the mark of the ring.
    pub fn own(&mut self, owner: VolumeOwner) {
        match owner.kind {
            OwnedKind::Claim => {
                let volume = self.live.volumes.get_mut(&owner.name).expect("seen");
                assert_eq!((&volume.uid, &volume.version), (&owner.uid, &owner.version));
                volume.owners = owner.owners;
                volume.version += "+";
            }
            OwnedKind::RingMark => {
                let map = self.live.config_maps.get_mut(&owner.name).expect("seen");
                let meta = &mut map.metadata;
                let seen = (Some(owner.uid), Some(owner.version));
                assert_eq!((&meta.uid, &meta.resource_version), (&seen.0, &seen.1));
                meta.owner_references = Some(owner.owners);
                meta.resource_version = seen.1.map(|version| version + "+");
            }
        }
    }

    /// Executes a deletion or a scale-down.
    pub fn remove(&mut self, removal: &Removal) {
        match removal {
            Removal::Pods {
                set, uid, from, to, ..
            } => {
                let version = Some(self.next_version());
                let set = self.live.stateful_sets.get_mut(set).expect("it was seen");
                assert_eq!(set.uid().unwrap_or_default(), *uid);
                let spec = set.spec.as_mut().expect("a spec");
                assert_eq!(spec.replicas, Some(*from));
                assert_eq!(*to, from - 1, "one node at a time");
                spec.replicas = Some(*to);
                set.metadata.resource_version = version;
                let rack = rack_of(set).expect("our labels");
                let gone = names::pod("demo", &rack, *to);
                let host = self.hosts.get(&gone);
                assert!(
                    host.is_none_or(|host| !self.ring.contains_key(host)),
                    "{gone} is a member"
                );
            }
            Removal::Rack { set, .. } => {
                assert_eq!(replicas(&self.live.stateful_sets[set]), 0);
                self.live.stateful_sets.remove(set);
                self.live.config_maps.remove(set);
            }
            Removal::Pod { name, uid, .. } => {
                let gone = self.pods.remove(name).expect("it was seen");
                assert_eq!(format!("pod-{}", gone.uid), *uid);
            }
            Removal::Volume { name, uid } => {
                assert_eq!(self.live.volumes[name].uid, *uid);
                let pod = name.strip_prefix("data-").expect("a data volume");
                let host = self.hosts.remove(pod);
                assert!(
                    host.is_none_or(|host| !self.ring.contains_key(&host)),
                    "{name} is in use"
                );
                self.live.volumes.remove(name);
            }
        }
    }

    /// The StatefulSet controller: creates missing pods, and replaces one outdated pod at a time.
    pub fn tick_set(&mut self, set: &StatefulSet) {
        let rack = rack_of(set).expect("our labels");
        let spec = set.spec.as_ref().expect("a spec");
        let revision = crate::digest::digest(&spec.template);
        self.templates
            .insert(revision.clone(), spec.template.clone());
        let rolling = spec
            .update_strategy
            .as_ref()
            .and_then(|strategy| strategy.rolling_update.as_ref());
        let partition = rolling.and_then(|rolling| rolling.partition).unwrap_or(0);
        // A pod below the partition is created anew as it was.
        let status = set.status.as_ref();
        let current = status.and_then(|status| status.current_revision.clone());
        let current = current.unwrap_or_else(|| revision.clone());
        let names: Vec<String> = (0..replicas(set))
            .map(|n| names::pod("demo", &rack, n))
            .collect();
        for name in &names {
            if !self.pods.contains_key(name) {
                let is_held = names::ordinal(name).unwrap_or(0) < partition;
                let made = if is_held { &current } else { &revision };
                self.make_pod(name, &rack, made);
                let volume = format!("data-{name}");
                let uid = format!("volume-{}", self.made);
                let size = requested(spec);
                self.live.volumes.entry(volume).or_insert(Volume {
                    uid,
                    rack: Some(rack.clone()),
                    requested: size.clone(),
                    capacity: Some(size),
                    ..Volume::default()
                });
            }
        }
        let prefix = format!("{}-", set.name_any());
        let too_many = |name: &String| {
            name.strip_prefix(&prefix)
                .is_some_and(|rest| !rest.contains('-'))
                && !names.contains(name)
        };
        for (name, pod) in &mut self.pods {
            pod.deleting |= too_many(name);
        }
        // From the last pod down: an outdated pod is replaced, and an unhealthy pod blocks the pods before it.
        let mut let_to = names.iter().rev();
        let next = let_to.find(|name| {
            let pod = &self.pods[*name];
            pod.revision != revision || pod.node != Node::Normal
        });
        if let Some(name) = next
            && names::ordinal(name).unwrap_or(0) >= partition
            && self.pods[name].revision != revision
        {
            self.make_pod(name, &rack, &revision);
        }
        let updated = names
            .iter()
            .filter(|name| self.pods[*name].revision == revision)
            .count();
        let updated = i32::try_from(updated).expect("few pods");
        let ready = names.iter();
        let ready = ready.filter(|name| self.pods[*name].node == Node::Normal);
        let ready = i32::try_from(ready.count()).expect("few pods");
        let version = Some(self.next_version());
        let live = self
            .live
            .stateful_sets
            .get_mut(&set.name_any())
            .expect("it is there");
        let before = live
            .status
            .as_ref()
            .and_then(|status| status.current_revision.clone());
        // A rollout ends when all pods are updated and Ready. A new StatefulSet reports its revision as current
        // immediately, regardless of the pods it adopts.
        let all = (updated == replicas(set) && ready == updated) || before.is_none();
        let status = Some(StatefulSetStatus {
            observed_generation: live.metadata.generation,
            current_revision: if all { Some(revision.clone()) } else { before },
            update_revision: Some(revision),
            updated_replicas: Some(updated),
            ready_replicas: Some(ready),
            ..StatefulSetStatus::default()
        });
        if live.status != status {
            live.status = status;
            live.metadata.resource_version = version;
        }
    }

    /// Creates a pod of a StatefulSet, from the template of a revision.
    pub fn make_pod(&mut self, name: &str, rack: &RackId, revision: &str) {
        self.made += 1;
        let host = self.hosts.get(name).cloned();
        // Cassandra does not start on the data of a node that has left.
        let has_left = host
            .as_ref()
            .is_some_and(|host| !self.ring.contains_key(host));
        let replaces = self.replacement(name, rack, host.is_some());
        let template = self.templates.get(revision).cloned().unwrap_or_default();
        let read = NodePod::of(&core::v1::Pod {
            metadata: template.metadata.unwrap_or_default(),
            spec: template.spec,
            status: None,
        });
        let broken = self.bad_images.contains(&read.image);
        let pod = Pod {
            rack: rack.clone(),
            revision: revision.to_owned(),
            image: read.image,
            transport: read.transport,
            secrets: read.secrets,
            encryption: read.encryption,
            logins: read.logins,
            node: if broken || has_left || replaces.is_err() {
                Node::Broken
            } else {
                Node::Starting
            },
            waits_for_its_data: !broken && replaces.is_err(),
            ip: format!("10.0.0.{}", self.made),
            host,
            restarts: 0,
            replaces: replaces.unwrap_or_default(),
            deleting: false,
            uid: self.made,
        };
        self.pods.insert(name.to_owned(), pod);
    }

    /// Address of the lost node whose place a pod takes, as its init container reads it from the ConfigMap of the rack.
    fn replacement(
        &self,
        pod: &str,
        rack: &RackId,
        has_data: bool,
    ) -> Result<Option<String>, LostVolume> {
        let map = names::stateful_set("demo", rack);
        let map = self.live.config_maps.get(&map);
        let nodes = map.map(config_map::nodes).unwrap_or_default();
        Ok(nodes.replacement(pod, has_data, !has_data)?.cloned())
    }

    /// The init container of a pod that was refused for its empty volume is started again, and reads the ConfigMap anew.
    pub fn retry_refused(&mut self) {
        let refused = self
            .pods
            .iter()
            .filter(|(_, pod)| pod.waits_for_its_data && pod.node == Node::Broken && !pod.deleting);
        let refused: Vec<_> = refused
            .filter_map(|(name, pod)| {
                let address = self.replacement(name, &pod.rack, false).ok()?;
                Some((name.clone(), address))
            })
            .collect();
        for (name, address) in refused {
            let pod = self.pods.get_mut(&name).expect("it was refused");
            pod.waits_for_its_data = false;
            pod.node = Node::Starting;
            pod.replaces = address;
        }
    }
}

/// Size of the data volumes of a StatefulSet.
fn requested(spec: &StatefulSetSpec) -> String {
    let claims = spec.volume_claim_templates.as_ref();
    let claim = claims.and_then(|claims| claims.first()?.spec.as_ref());
    let sizes = claim.and_then(|claim| claim.resources.as_ref()?.requests.as_ref());
    sizes
        .and_then(|sizes| sizes.get("storage"))
        .map(|size| size.0.clone())
        .unwrap_or_default()
}

/// Changes with what the operator observes of the pod.
fn pod_version(pod: &Pod) -> String {
    format!("{}-{:?}-{}", pod.uid, pod.node, pod.restarts)
}

/// The pod as the operator observes it.
pub fn seen(pod: &Pod) -> NodePod {
    NodePod {
        uid: format!("pod-{}", pod.uid),
        version: pod_version(pod),
        rack: Some(pod.rack.clone()),
        // A pod whose image cannot be pulled has an address as well.
        ip: Some(pod.ip.clone()),
        ready: pod.node == Node::Normal,
        waits_on: None,
        prepares_on: (pod.node == Node::Starting).then(|| "node1".to_owned()),
        deleting: pod.deleting,
        ended: false,
        problem: (pod.node == Node::Broken).then(|| {
            "container cassandra: ImagePullBackOff: Back-off pulling image \"nope:1\"".to_owned()
        }),
        lost_with: (pod.node == Node::Lost).then(|| "node1".to_owned()),
        revision: pod.revision.clone(),
        image: pod.image.clone(),
        restarts: pod.restarts,
        container: format!("c{}-{}", pod.uid, pod.restarts),
        runs_since: None,
        last_end: None,
        gate: None,
        transport: pod.transport,
        secrets: pod.secrets.clone(),
        encryption: pod.encryption,
        logins: pod.logins,
        key_algorithm: None,
    }
}
