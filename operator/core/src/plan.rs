//! Deciding: from the desired and the observed state to the next actions. Pure: no client, no clock, no randomness.

use std::{collections::BTreeSet, time::Duration};

use casskop_common::{
    api::{CassandraClusterStatus, LoginStep, OperationStatus, RackWrite, condition},
    names::{self, RackId},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_core::ResourceExt;
use serde::Serialize;

use crate::{
    desired::{Desired, tls},
    node::Reading,
    objects::{self, ClientCa, MetricsService, Object, VolumeOwner},
    observed::{ObservedState, SecretState},
    operations::{
        role_replicas::{self, Change},
        transitions::Outdated,
    },
    refusal::Refusal,
    rollout::{self, JobChange, Removal, address_conflict, members, rack_write, stranded, volumes},
    scheduler, status, users,
};

/// Nodes that are asked for a change of the roles until one can be reached.
const LOGIN_NODES: usize = 3;
/// Delay until the next reconciliation when an operation or a change has just ended.
const AT_ONCE: Duration = Duration::from_millis(20);
/// Delay until the next reconciliation after a request that Kubernetes carries out at once without reporting the end.
const BRIEFLY: Duration = Duration::from_millis(100);
/// How long something is expected to happen by the half second.
const LIVELY: jiff::SignedDuration = jiff::SignedDuration::from_mins(3);
/// Delay until the next reconciliation while a change is in progress.
const SOON: Duration = Duration::from_millis(500);
/// Delay until the next reconciliation while an operation, a change or a fault goes on, whose end no event reports.
const LATER: Duration = Duration::from_secs(5);
/// Share of the time since the last change that passes until the next look at a cluster that waits: what has not ended for
/// long is looked at less often.
const SHARE: u32 = 10;
/// Delay until the next reconciliation of a cluster in its desired state; Kubernetes reports most changes.
const AT_REST: Duration = Duration::from_secs(30);

/// The next actions.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Whether to make the Secret that the nodes share, or to renew it.
    pub make_secret: bool,
    /// Nodes to ask, one after the other, about the roles or their replicas; none if there is nothing to ask about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub login_nodes: Vec<String>,
    /// The recorded change of the replicas of the roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_replicas: Option<Change>,
    /// Volumes, and the mark of the ring, that the cluster no longer owns. No other change holds these back; a paused cluster,
    /// and one that waits for the volumes of an earlier one, hold them back as all changes.
    pub disowned: Vec<VolumeOwner>,
    /// The change of a rack that is recorded before the objects are applied.
    #[serde(skip)]
    pub rack_write: Option<RackWrite>,
    /// Objects to apply, in order.
    pub objects: Vec<Object>,
    /// The ConfigMap with the authorities of the nodes for clients, if it changes. It holds nothing else back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<ClientCa>,
    /// The Service of the metrics, if it changes. It holds nothing else back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_service: Option<MetricsService>,
    /// Jobs that bring the files of a ring that is restored, after the objects are applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restore_jobs: Vec<JobChange>,
    /// The deletions, after the objects are applied.
    pub removals: Vec<Removal>,
    /// Whether to remove the finalizer of an earlier version: the owners of the volumes replace it.
    #[serde(skip)]
    pub releases: bool,
    /// Operations that change, to be written before anything is called.
    pub operations: Vec<scheduler::Change>,
    /// Nodes to begin with, once that is written.
    pub starts: Vec<scheduler::Start>,
    /// Whether one of these operations takes nodes away from clients.
    #[serde(skip)]
    pub is_disruptive: bool,
    /// Why the spec is not carried out.
    #[serde(skip)]
    pub refused: Option<Refusal>,
    /// The rest of the status.
    #[serde(skip)]
    pub status: CassandraClusterStatus,
    /// Delay until the next reconciliation if no event comes before.
    pub requeue: Duration,
}

impl Plan {
    /// Takes out what was not recorded as decided. Racks are decided about together.
    pub fn forget(&mut self, outdated: &Outdated) {
        let kinds = &outdated.kinds;
        self.starts
            .retain(|start| kinds.iter().all(|kind| *kind != start.kind));
        self.operations
            .retain(|change| !kinds.contains(&change.after.kind));
        if outdated.rack {
            self.objects.clear();
            self.removals.clear();
        }
    }

    /// Says in `Degraded` that an object could not be applied, and why.
    pub fn report_failure(&mut self, failure: &str, state: &ObservedState) {
        status::report_failure(&mut self.status, failure, state);
    }
}

/// Decides what to do next about a cluster.
pub fn decide(desired: &Result<Desired, Refusal>, state: &ObservedState) -> Plan {
    let rollout = rollout::decide(desired, state);
    let operations = scheduler::decide(state, &rollout);
    let is_held = state.intents.reconcile_paused || rollout.awaits_predecessor;
    let mut objects = match desired {
        Ok(desired) if !is_held => objects(desired, state, &rollout, &operations),
        _ => Vec::new(),
    };
    let owners = objects::volume_owner::decide(state);
    let mut finalizers = state.cluster.finalizers().iter();
    let has_finalizer = finalizers.any(|name| name == names::VOLUMES_FINALIZER);
    let releases = has_finalizer && owners.is_empty() && !is_held;
    let outdated: Vec<String> = owners.iter().map(ToString::to_string).collect();
    let (added, disowned): (Vec<_>, _) = owners
        .into_iter()
        .filter(|_| !is_held)
        .partition(|owner| owner.owned);
    // A mark that is written now has another version afterwards. The last objects: a refused owner prevents no other
    // change.
    let is_written = |owner: &VolumeOwner| objects.iter().any(|object| owner.is_of(object));
    let added: Vec<_> = added
        .into_iter()
        .filter(|owner| !is_written(owner))
        .collect();
    objects.extend(added.into_iter().map(Object::VolumeOwner));
    if let Some(fence) = rollout.fence.iter().find(|_| !is_held) {
        // The other actions are decided from the state after it.
        objects = vec![Object::Fence(fence.clone())];
    }
    let mut removals = rollout.removals.clone();
    if !state.intents.reconcile_paused {
        removals.extend(volumes::given_up(state));
        removals.extend(address_conflict::address_conflicts(state));
        removals.extend(stranded::pods(state));
    }
    let (client_ca, metrics_service) = match desired {
        Ok(desired) if !is_held => (
            objects::client_ca::decide(desired, state),
            objects::metrics_service::decide(desired, state),
        ),
        _ => (None, None),
    };
    let changes_owners = !outdated.is_empty() && !is_held;
    let status = status::decide(desired, state, &rollout, &operations, outdated);
    let role_replicas = role_replicas::due(&status, state);
    let asks = state.changes_superuser || role_replicas.is_some() || !status.users.is_empty();
    // The replicas of the roles are nodes that start: a login that is refused now says nothing.
    let asks = asks && rollout.from_backup.is_none();
    let unchanged = unchanged_for(state, &status.conditions);
    let requeue = match requeue(state, &rollout, &operations, &removals, unchanged) {
        // Claims are not watched.
        delay if changes_owners && is_lively(state) => delay.min(BRIEFLY),
        delay if changes_owners => delay.min(LATER),
        delay => delay.min(roles_delay(&status, state)),
    };
    Plan {
        make_secret: makes_secret(desired, state, is_held),
        login_nodes: login_nodes(desired, state, is_held, asks),
        role_replicas,
        disowned,
        rack_write: rack_write::intended(&objects, &rollout, state),
        objects,
        client_ca,
        metrics_service,
        restore_jobs: match rollout.from_backup {
            Some(restore) if !is_held && !rollout.formed => restore.jobs,
            _ => Vec::new(),
        },
        removals,
        is_disruptive: operations.is_disruptive,
        releases,
        operations: operations.changes,
        starts: operations.starts,
        refused: rollout.refused,
        status,
        requeue,
    }
}

fn objects(
    desired: &Desired,
    state: &ObservedState,
    rollout: &rollout::Rollout,
    operations: &scheduler::Decision,
) -> Vec<Object> {
    let live = &state.live;
    let nodes = |rack: &RackId| members::nodes(rack, state, &operations.current, rollout.formed);
    let mut objects = Vec::new();
    let accepted = objects::accepted_spec::build(desired);
    let before = live.config_maps.get(&accepted.name_any());
    let is_kept = tls::is_put_back(&state.cluster, live);
    if rollout.refused.is_none() && !is_kept && !objects::is_applied(&accepted, before) {
        objects.push(Object::ConfigMap(Box::new(accepted)));
    }
    let account = objects::service_account::build(desired);
    if desired.spec.service_account_name.is_none()
        && !objects::is_applied(&account, live.service_accounts.get(&desired.name))
    {
        objects.push(Object::ServiceAccount(Box::new(account)));
    }
    let service = objects::service::build(desired);
    let before = live.services.get(&desired.name);
    if !objects::is_applied(&service, before) || objects::selects_otherwise(&service, before) {
        objects.push(Object::Service(Box::new(service)));
    }
    let budget = objects::budget::build(desired);
    let before = live.budgets.get(&desired.name);
    if !objects::is_applied(&budget, before) || objects::selects_otherwise(&budget, before) {
        objects.push(Object::Budget(Box::new(budget)));
    }
    // Before any StatefulSet: a mark that outlived its volumes must not be taken for that of the new ring.
    // A new ring needs its name before that, too.
    let mark = objects::config_map::ring_mark(desired, rollout.formed, &rollout.ring_name);
    let marked = live.config_maps.get(&names::ring_mark(&desired.name));
    let is_named = rollout.ring_name != desired.name;
    if (rollout.formed || marked.is_some() || is_named) && !objects::is_applied(&mark, marked) {
        objects.push(Object::ConfigMap(Box::new(mark)));
    }
    let restore = rollout.from_backup.as_ref().filter(|_| !rollout.formed);
    let restore = restore.map(|restore| restore.config.clone());
    // A rack's configuration is written together with its StatefulSet: a pod that restarts while its rack waits
    // for its turn must start as it was.
    objects.extend(
        rollout
            .expansions
            .iter()
            .cloned()
            .map(Object::VolumeExpansion),
    );
    for step in &rollout.steps {
        let config = objects::config_map::build(
            desired,
            &step.rack,
            &rollout.seeds,
            rollout.formed,
            &rollout.ring_name,
            (&nodes(&step.rack.id), restore.as_ref()),
        );
        let set = objects::stateful_set::build(desired, &step.rack, step.replicas);
        let set = if step.volumes_only {
            objects::stateful_set::only_volumes(set, &live.stateful_sets)
        } else {
            objects.push(Object::ConfigMap(Box::new(config)));
            objects::stateful_set::keep_template(set, &live.stateful_sets)
        };
        let set = Box::new(set);
        let is_there = live.stateful_sets.contains_key(&set.name_any());
        objects.push(if is_there && rollout.needs_recreation(&step.rack.id) {
            Object::Recreated(set)
        } else {
            Object::StatefulSet(set)
        });
    }
    for (id, _) in state.racks() {
        if rollout.steps.iter().any(|step| step.rack.id == id) {
            continue;
        }
        let before = live
            .config_maps
            .get(&names::stateful_set(&desired.name, &id));
        let unchanged = rollout.unchanged.iter().find(|rack| rack.id == id);
        let nodes = nodes(&id);
        let config = match (unchanged, before) {
            (Some(rack), _) => Some(objects::config_map::build(
                desired,
                rack,
                &rollout.seeds,
                rollout.formed,
                &rollout.ring_name,
                (&nodes, restore.as_ref()),
            )),
            (None, Some(before)) => objects::config_map::renew(desired, &id, before, &nodes),
            (None, None) => None,
        };
        if let Some(config) = config.filter(|config| !objects::is_applied(config, before)) {
            objects.push(Object::ConfigMap(Box::new(config)));
        }
    }
    objects
}

/// Whether the operator makes a Secret that the nodes share, or renews it. Nothing holds a renewal back: nodes whose
/// certificate has expired are not ready, and the operator does not reach them.
fn makes_secret(desired: &Result<Desired, Refusal>, state: &ObservedState, is_held: bool) -> bool {
    let is_outdated = |secret: &SecretState| *secret == SecretState::Outdated;
    let is_to_be_made = |desired: &Desired| desired.makes_secret(&state.secrets);
    state.secrets.values().any(is_outdated)
        || (!is_held && desired.as_ref().is_ok_and(is_to_be_made))
}

/// Delay until the next step of the roles and their replicas: a record is written before Cassandra is told, and no event reports
/// what Cassandra has.
fn roles_delay(status: &CassandraClusterStatus, state: &ObservedState) -> Duration {
    let users = users::recorded(state);
    let before = state.cluster.status.as_ref();
    let before = before.and_then(|before| before.role_replicas.as_ref());
    match &status.role_replicas {
        // A CustomResourceDefinition of an earlier version keeps no record.
        _ if status.users != users && users.is_empty() => LATER,
        Some(_) if before.is_none() => LATER,
        _ if status.users != users => SOON,
        Some(record) if before != Some(record) => SOON,
        Some(record) if role_replicas::is_unfinished(record) => LATER,
        _ => AT_REST,
    }
}

/// Nodes that can be told about a change of the roles: a pod that sets up logins cannot be reached, and has the superuser of its
/// time.
fn login_nodes(
    desired: &Result<Desired, Refusal>,
    state: &ObservedState,
    is_held: bool,
    asks: bool,
) -> Vec<String> {
    let has_logins = desired
        .as_ref()
        .is_ok_and(|desired| desired.logins == LoginStep::Required);
    if !asks || !has_logins || is_held {
        return Vec::new();
    }
    let serving = state.pods.iter().filter(|(name, pod)| {
        let is_serving = state.reading(name).is_some_and(Reading::is_serving);
        pod.logins == LoginStep::Required && pod.ready && !pod.deleting && is_serving
    });
    let serving = serving.filter_map(|(name, pod)| Some((name, pod.rack.as_ref()?)));
    let mut nodes = apart(serving);
    nodes.truncate(LOGIN_NODES);
    nodes
}

/// Nodes of other data centers first, then those of other racks: where one cannot read the roles, its neighbours may not
/// either.
fn apart<'a>(nodes: impl Iterator<Item = (&'a String, &'a RackId)>) -> Vec<String> {
    let (mut dcs, mut racks) = (BTreeSet::new(), BTreeSet::new());
    let ranked = nodes.map(|(name, rack)| {
        let is_first = [dcs.insert(&rack.dc), racks.insert(rack)];
        (is_first.map(|is_first| !is_first), name.clone())
    });
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort();
    ranked.into_iter().map(|(_, name)| name).collect()
}

fn requeue(
    state: &ObservedState,
    rollout: &rollout::Rollout,
    operations: &scheduler::Decision,
    removals: &[Removal],
    unchanged: Duration,
) -> Duration {
    let waits = |operation: &OperationStatus| !operation.phase.is_final();
    let ended = operations
        .changes
        .iter()
        .any(|change| change.after.phase.is_final());
    let stuck =
        !state.live.warnings.is_empty() || state.pods.values().any(|pod| pod.problem.is_some());
    if removals.iter().any(Removal::is_unannounced) {
        BRIEFLY
    } else if ended {
        // The next one in the queue begins.
        AT_ONCE
    } else if rollout.is_in_progress() && rollout.blocked.is_none() && !stuck && is_lively(state) {
        SOON
    } else if operations.current.iter().any(waits) {
        LATER
    } else if !rollout.unhealthy.is_empty() || !state.is_settled() || rollout.is_in_progress() {
        (unchanged / SHARE).clamp(LATER, AT_REST)
    } else {
        AT_REST
    }
}

/// Time since a condition has changed, or a node was started; with the conditions that are reported now.
fn unchanged_for(state: &ObservedState, conditions: &[Condition]) -> Duration {
    let changed = conditions.iter().map(|one| one.last_transition_time.0);
    let started = state.pods.values().filter_map(|pod| pod.runs_since);
    let last = changed.chain(started).max().unwrap_or(state.now);
    Duration::try_from(state.now.duration_since(last)).unwrap_or_default()
}

/// Whether the last transition is so young that the next one may be near. A longer transition is not polled by the
/// half second: a join of hours, a pod that cannot be scheduled.
fn is_lively(state: &ObservedState) -> bool {
    let conditions = state
        .cluster
        .status
        .iter()
        .flat_map(|status| &status.conditions);
    let since = conditions
        .filter(|condition| condition.type_ == condition::PROGRESSING)
        .map(|condition| condition.last_transition_time.0)
        .next();
    since.is_none_or(|since| state.now.duration_since(since) < LIVELY)
}
