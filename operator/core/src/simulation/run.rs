//! The simulation loop: the operator observes, decides and acts; Kubernetes and the nodes follow.

use std::collections::BTreeMap;

use casskop_common::{
    api::{BackupStatus, BackupStore, CassandraClusterStatus, NodePhase, OperationPhase, Phase},
    intent::Intents,
    names,
    operations::{Arguments, OperationKind},
};
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube_core::ResourceExt;

use crate::{
    desired::{self, BuildInputs, Started, node_secrets},
    node::Replication,
    objects::{
        ClientCa, MetricsService, Object,
        backup_job::{BackupCommand, LeftOut},
    },
    observed::{NodePod, ObservedState, RestoreJob, SecretState, recorded_arguments},
    operations::{
        self, Action,
        backup::{self, Turn},
        role_replicas::KEYSPACE,
        transitions::{self, Outdated},
    },
    plan::{self, Plan},
    rollout::JobChange,
    simulation::{Node, Pod, World, kstatus, kubernetes::seen, messages},
};

impl World {
    /// The state as the operator observes it.
    pub fn state(&self) -> ObservedState {
        let intents = Intents::parse(self.cluster.annotations());
        let pods: BTreeMap<String, NodePod> = self
            .pods
            .iter()
            .map(|(name, pod)| (name.clone(), seen(pod)))
            .collect();
        let started = Started::of("demo", &self.live, &pods);
        let mut state = ObservedState {
            restore_jobs: self.restore_jobs.clone(),
            now: self.now,
            cluster: self.cluster.clone(),
            arguments: recorded_arguments(&self.cluster, &intents),
            intents,
            live: self.live.clone(),
            secrets: node_secrets(&self.cluster, &started)
                .names()
                .map(|name| (name.clone(), self.secret.clone()))
                .collect(),
            key_algorithms: BTreeMap::new(),
            changes_superuser: self.changes_superuser,
            client_ca: self.client_ca.clone(),
            users: self.users.clone(),
            pods,
            nodes: self
                .pods
                .iter()
                .filter_map(|(name, pod)| Some((name.clone(), self.reading(pod)?)))
                .collect(),
            at_work: self.at_work.clone(),
            executor: "operator".into(),
            validities: self.validities.clone(),
            replication: self.replication.clone(),
            locations: BTreeMap::new(),
        };
        let external_members = state.external_members().into_iter();
        let locations = external_members.filter_map(|external_member| {
            let place = self.locations.get(external_member.host_id)?;
            Some((external_member.ip.to_owned(), place.clone()))
        });
        state.locations = locations.collect();
        state
    }

    /// The plan of one reconciliation.
    pub fn plan(&self) -> Plan {
        self.plan_for(&mut self.state())
    }

    /// The plan of an operator that has observed this state.
    pub fn plan_for(&self, state: &mut ObservedState) -> Plan {
        let mut around = BuildInputs {
            started: Started::of("demo", &state.live, &state.pods),
            ..self.around.clone()
        };
        around.started.logins.has_superuser = self.has_superuser;
        let desired = desired::desired(&self.cluster, &around);
        let plan = plan::decide(&desired, state);
        let instead = plan
            .refused
            .as_ref()
            .and_then(|refused| desired::instead(&self.cluster, &around, &self.live, refused));
        let Some((cluster, desired)) = instead else {
            return plan;
        };
        state.cluster = cluster;
        plan::decide(&Ok(desired), state)
    }

    /// One reconciliation of an operator that is killed after `effects` writes. Returns whether the reconciliation was
    /// completed.
    pub fn pass_until(&mut self, effects: usize) -> bool {
        self.now += SignedDuration::from_secs(1);
        let plan = self.plan();
        let mut left = effects;
        let mut may = || {
            let may = left > 0;
            left = left.saturating_sub(1);
            may
        };
        for owner in plan.disowned {
            if !may() {
                return false;
            }
            self.own(owner);
        }
        if !plan.operations.is_empty() || plan.rack_write.is_some() {
            if !may() {
                return false;
            }
            let seen = self.cluster.status.clone();
            let status = self.cluster.status.get_or_insert_default();
            let write = plan.rack_write.as_ref();
            let outdated = transitions::decide(status, seen.as_ref(), &plan.operations, write);
            let none = Outdated::default();
            assert_eq!(outdated, none, "nobody else writes");
        }
        for start in &plan.starts {
            self.at_work.insert((start.kind, start.pod.clone()));
        }
        if plan.make_secret {
            if !may() {
                return false;
            }
            self.secret = SecretState::Usable;
        }
        for object in &plan.objects {
            if !may() {
                return false;
            }
            self.apply(object);
        }
        for removal in &plan.removals {
            if !may() {
                return false;
            }
            self.remove(removal);
        }
        for change in &plan.restore_jobs {
            if !may() {
                return false;
            }
            self.change_job(change);
        }
        if let Some(change) = plan.metrics_service {
            if !may() {
                return false;
            }
            match change {
                MetricsService::Apply(service) => self.apply(&Object::Service(service)),
                MetricsService::Remove { name, .. } => drop(self.live.services.remove(&name)),
            }
        }
        if let Some(change) = plan.client_ca {
            if !may() {
                return false;
            }
            match change {
                ClientCa::Apply(map) => self.apply(&Object::ConfigMap(map)),
                ClientCa::Remove { name, .. } => drop(self.live.config_maps.remove(&name)),
            }
        }
        if plan.releases {
            self.cluster
                .finalizers_mut()
                .retain(|name| *name != names::VOLUMES_FINALIZER);
        }
        if !may() {
            return false;
        }
        let current = self.cluster.status.take().unwrap_or_default();
        self.cluster.status = Some(CassandraClusterStatus {
            operations: current.operations,
            operation_history: current.operation_history,
            used_request_ids: current.used_request_ids,
            last_rack_write: current.last_rack_write,
            ..plan.status
        });
        if let Some(change) = &plan.role_replicas {
            if !may() {
                return false;
            }
            self.replicate_roles(&change.from, &change.to);
        }
        messages::check_cluster(&self.status());
        kstatus::check(&self.status().conditions, self.cluster.metadata.generation);
        true
    }

    fn change_job(&mut self, change: &JobChange) {
        match change {
            JobChange::Make { pod, inputs, .. } => {
                let job = RestoreJob {
                    name: format!("job-of-{pod}"),
                    uid: format!("{}-{pod}", self.now),
                    is_ours: true,
                    inputs: inputs.clone(),
                    node: Some("node1".into()),
                    deleting: false,
                    problem: None,
                    end: None,
                };
                let before = self.restore_jobs.insert(pod.clone(), job);
                assert_eq!(before, None, "a Job of the name is there");
            }
            JobChange::Remove { uid, .. } => self.restore_jobs.retain(|_, job| job.uid != *uid),
        }
    }

    /// Cassandra is told the replicas of the roles, unless it has others by now.
    pub fn replicate_roles(&mut self, from: &BTreeMap<String, i32>, to: &BTreeMap<String, i32>) {
        let count = |count: i32| usize::try_from(count).expect("some");
        let of = |replicas: &BTreeMap<String, i32>| {
            if let Some(all) = replicas.get("*") {
                return Replication::Simple(count(*all));
            }
            let each = replicas.iter();
            let each = each.map(|(dc, replicas)| (dc.clone(), count(*replicas)));
            Replication::Topology(each.collect())
        };
        if self.replication.get(KEYSPACE) == Some(&of(from)) {
            self.replication.insert(KEYSPACE.into(), of(to));
        }
    }

    /// One whole reconciliation.
    pub fn pass(&mut self) {
        self.pass_until(usize::MAX);
    }

    /// Kills the operator: its tasks are lost, and everything written stays.
    pub fn kill_operator(&mut self) {
        self.at_work.clear();
    }

    /// One step of Kubernetes and of every node.
    pub fn tick(&mut self) {
        // The termination of a pod takes time, and goes on whatever becomes of its StatefulSet.
        self.pods.retain(|_, pod| !pod.deleting);
        self.retry_refused();
        self.tick_nodes();
        let sets: Vec<StatefulSet> = self.live.stateful_sets.values().cloned().collect();
        for set in sets {
            self.tick_set(&set);
        }
    }

    /// One node task makes its call; if `hears` is false, the operator is killed before it receives the answer.
    pub fn work(&mut self, index: usize, hears: bool, fails: bool) {
        let Some((kind, pod)) = self
            .at_work
            .iter()
            .nth(index % self.at_work.len().max(1))
            .cloned()
        else {
            return;
        };
        let status = self.cluster.status.get_or_insert_default();
        let Some(operation) = status
            .operations
            .iter()
            .find(|operation| operation.kind == kind)
        else {
            return;
        };
        let node = operation
            .nodes
            .iter()
            .find(|node| node.pod == pod && node.phase == NodePhase::Running);
        let Some(step) = node.map(|node| node.step.clone()) else {
            self.at_work.remove(&(kind, pod));
            return;
        };
        let id = operation.id.clone();
        let node = node.expect("it runs").clone();
        let turn = self.turn(kind, &pod);
        if let Some((Turn::Waits(_), _)) = turn {
            return;
        }
        self.calls
            .push((kind.as_str().to_owned(), id.clone(), pod.clone(), step));
        let fails = fails || self.is_back_in_ring(kind, &node);
        let gives_up = kind.discards_data() && !fails;
        if gives_up && !self.discard_volumes(kind, &node) {
            if !hears {
                self.kill_operator();
            }
            return;
        }
        let restarts = kind == OperationKind::Restart && node.step == "restart" && !fails;
        if restarts && !self.restart(&node) {
            if !hears {
                self.kill_operator();
            }
            return;
        }
        if kind == OperationKind::Decommission && !fails && !self.leave(&pod, hears) {
            return;
        }
        if !hears {
            return self.kill_operator();
        }
        let event = match turn {
            Some((Turn::Stopped, _)) => transitions::StepEvent::Stopped,
            Some((Turn::Incomplete(pods), _)) => transitions::StepEvent::Failed(pods),
            _ if fails => transitions::StepEvent::Failed(self.failure.clone()),
            Some((Turn::Now, Some(backup))) => transitions::StepEvent::BackedUp(Box::new(backup)),
            _ => transitions::StepEvent::Done,
        };
        let status = self.cluster.status.get_or_insert_default();
        let at = transitions::StepRef {
            kind,
            id: &id,
            pod: &pod,
            executor: "operator",
            index: transitions::steps_done(&node),
            step: &node.step,
        };
        if !transitions::record(status, at, &event, self.now) {
            self.at_work.remove(&(kind, pod));
        }
    }

    /// The turn of a node at a step that runs a Job, and the backup that the Job completes.
    fn turn(&self, kind: OperationKind, pod: &str) -> Option<(Turn, Option<BackupStatus>)> {
        let status = self.status();
        let mut operations = status.operations.iter();
        let operation = operations.find(|operation| operation.kind == kind)?;
        let arguments = Arguments::recorded(&operation.kind, &operation.arguments)?;
        let node = operation.nodes.iter().find(|node| node.pod == pod)?;
        let behaviour = operations::behaviour(&arguments.operation);
        let Action::RunJob(work) = behaviour.action(&operation.id, &node.step, &self.cluster.spec)
        else {
            return None;
        };
        let completes = work.command == BackupCommand::Complete;
        let location = work.store.as_ref().map(BackupStore::location);
        let location = location.unwrap_or_default();
        let backup = completes
            .then(|| {
                backup::completed(
                    operation,
                    (&work, location),
                    (3, 300),
                    LeftOut::default(),
                    self.now,
                )
            })
            .flatten();
        Some((backup::turn(operation, pod, work.command), backup))
    }

    /// Runs without faults until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..400 {
            self.pass();
            self.tick();
            // A node without a pod makes its call later.
            for _ in 0..30 {
                if !self.at_work.is_empty() {
                    self.work(0, true, false);
                }
            }
            if self.is_settled() {
                return;
            }
        }
        let plan = self.plan();
        unreachable!("does not settle: {:#?}\n{:#?}", plan, self.status());
    }

    /// Whether another reconciliation would change nothing.
    pub fn is_settled(&self) -> bool {
        let is_at_rest = |pod: &Pod| {
            !pod.deleting && matches!(pod.node, Node::Normal | Node::Broken | Node::Hanging)
        };
        if !self.at_work.is_empty() || !self.pods.values().all(is_at_rest) {
            return false;
        }
        let current = self.status();
        // A second observation follows.
        let mut nodes = current.cassandra_node_status.values();
        if nodes.any(|node| node.not_found_since.is_some()) {
            return false;
        }
        let plan = self.plan();
        let wanted = CassandraClusterStatus {
            operations: current.operations.clone(),
            operation_history: current.operation_history.clone(),
            used_request_ids: current.used_request_ids.clone(),
            ..plan.status
        };
        plan.objects.is_empty()
            && plan.disowned.is_empty()
            && plan.client_ca.is_none()
            && plan.metrics_service.is_none()
            && plan.role_replicas.is_none()
            && plan.operations.is_empty()
            && plan.starts.is_empty()
            && !plan.make_secret
            && !plan.releases
            && plan.removals.is_empty()
            // A failed decommission is retried later, unless the spec requires the node again.
            && (current.phase == Some(Phase::Running)
                || !current.operations.iter().any(|operation| operation.requested_by.is_some()
                    && operation.phase == OperationPhase::Failed))
            && wanted == current
    }
}
