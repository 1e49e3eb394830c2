//! Observation of a cluster, repeated for every reconciliation: the only state kept in memory between two
//! observations is the required freshness of the next one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use casskop_common::{
    api::{CassandraCluster, NodeTransport, OperationPhase, OperationStatus, User, UserStatus},
    intent::Intents,
    names::{self, RackId},
    operations::{Arguments, OperationKind, Parallel},
};
use futures::{FutureExt, StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Pod},
};
use kube::{Api, ResourceExt};

use crate::{
    cluster::restore,
    effects::Effects,
    kubernetes::{
        Kube, authority,
        credentials::{self, AcceptedCredentials},
        lists::{Freshness, list, list_parts},
        superuser::Superuser,
        users::{self, UserSecrets},
        warnings::{self, ListedPod},
    },
    node_api::{AT_ONCE, Certificates, ClusterAccess, Endpoint, cql::Look, read_all},
};
use casskop_core::{
    desired::{Desired, Scripts, Started, tls},
    digest::digest,
    node::{NodeError, Reading, Replication},
    observed::{
        NodePod, ObservedState, ObservedUsers, Outcome, OwnedObjects, RestoreJob, UNKNOWN, Volume,
        agreed_schema, disbelieve_others, recorded_arguments, replicas, trusted_locations,
    },
    operations::{behaviour, recorded::has_begun},
};

/// Members that are queried for shared state of the ring, one after the other, until one responds.
const TRIES: usize = 3;

/// A cluster and its Kubernetes objects.
pub struct FetchedObjects {
    /// The resource; its spec says whether the nodes have TLS.
    pub cluster: CassandraCluster,
    /// Passwords of its nodes.
    pub keys: AcceptedCredentials,
    /// The user's scripts.
    pub scripts: Scripts,
    /// Encryption that its pods were started with.
    pub started: Started,
    live: OwnedObjects,
    pods: BTreeMap<String, NodePod>,
    restore_jobs: BTreeMap<String, RestoreJob>,
    user_secrets: UserSecrets,
}

/// The observed state, and the credentials to call its nodes. The password is kept separate from the observed state.
pub struct Observation {
    /// The observed state.
    pub state: ObservedState,
    /// The secrets that the nodes accept; none while there is no Secret.
    pub access: ClusterAccess,
    /// The superuser of Cassandra.
    pub superuser: Superuser,
    /// The logins of the roles of applications, by their Secrets.
    pub user_secrets: UserSecrets,
    /// The certificates of the nodes for clients, if they can be used.
    pub client_certificates: Option<Arc<Certificates>>,
    /// A new password to accept.
    pub new_key: Option<credentials::PendingRotation>,
}

/// Reads the Kubernetes objects of a cluster, all at the same time.
///
/// # Errors
/// The API server does not respond.
pub async fn find(
    kube: &Kube,
    mut cluster: CassandraCluster,
    freshness: Freshness,
) -> Result<FetchedObjects, kube::Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let selector = names::cluster_selector(&cluster.name_any());
    let now = Timestamp::now();
    let listed = |pod: &Pod| ListedPod::of(pod, now);
    let one_for_each = (freshness, expected_nodes(&cluster));
    let (scripts, stateful_sets, services, config_maps, budgets, service_accounts, volumes, pods) =
        tokio::try_join!(
            scripts(kube, &cluster),
            list(kube, &namespace, &selector, freshness),
            list(kube, &namespace, &selector, freshness),
            list(kube, &namespace, &selector, freshness),
            list(kube, &namespace, &selector, freshness),
            list(kube, &namespace, &selector, freshness),
            list_parts(kube, &namespace, &selector, one_for_each, Volume::of),
            list_parts(kube, &namespace, &selector, one_for_each, listed),
        )?;
    let mut live = OwnedObjects {
        stateful_sets,
        services,
        config_maps,
        budgets,
        service_accounts,
        volumes,
        ..OwnedObjects::default()
    };
    if tls::is_in_question(&cluster, &live) {
        let nodes = pods.values().map(|listed| &listed.pod);
        live.has_tls_mark = authority::is_marked(kube, &cluster).await?;
        live.had_tls = live.has_tls_mark || tls::was_rewritten(&cluster, &live, nodes);
    }
    tls::resolve(&mut cluster, &live);
    let waiting = warnings::waiting(&live.stateful_sets, &pods, &live.volumes);
    live.warnings = kube.warnings.of(&kube.client, &namespace, &waiting).await?;
    let pods: BTreeMap<String, NodePod> = pods
        .into_iter()
        .map(|(name, listed)| (name, listed.pod))
        .collect();
    let restore_jobs = Box::pin(restore::find(kube, &cluster, &pods)).await?;
    let mut started = Started::of(&cluster.name_any(), &live, &pods);
    let mut keys = Box::pin(credentials::read(kube, &cluster, &started)).await?;
    started.logins.has_superuser = keys.superuser.is_known();
    // A pod that is made later is started from the template.
    let templates: Vec<NodePod> = live
        .stateful_sets
        .values()
        .filter_map(NodePod::of_template)
        .collect();
    let all: Vec<&NodePod> = pods.values().chain(&templates).collect();
    credentials::of_pods(kube, &cluster, &all, &mut keys.access).await?;
    Ok(FetchedObjects {
        user_secrets: users::read(kube, &cluster).await,
        cluster,
        keys,
        scripts,
        started,
        live,
        pods,
        restore_jobs,
    })
}

/// Number of nodes that there may be: those that were seen, and those that the spec requires.
fn expected_nodes(cluster: &CassandraCluster) -> usize {
    let status = cluster.status.as_ref();
    let seen = status.map_or(0, |status| status.cassandra_node_status.len());
    let dcs: BTreeSet<&str> = cluster
        .spec
        .written_racks()
        .map(|(dc, _)| dc.name.as_str())
        .collect();
    let nodes = dcs.into_iter().map(|dc| cluster.spec.nodes_in(dc));
    let required = nodes.fold(0, i32::saturating_add);
    let required = usize::try_from(required).unwrap_or_default();
    seen.max(required)
}

/// Polls the nodes, unless they were just polled for another observation. A node that does not respond is part of the
/// observed state.
pub async fn observe(
    effects: &Effects,
    at_work: BTreeSet<(OperationKind, String)>,
    found: FetchedObjects,
    desired: Option<&Desired>,
    before: Option<&Observation>,
) -> Observation {
    let FetchedObjects {
        cluster,
        keys,
        live,
        pods,
        restore_jobs,
        user_secrets,
        ..
    } = found;
    let access = keys.access;
    let before = before.filter(|before| before.access == access);
    let mut nodes = match before {
        Some(before) => before.state.nodes.clone(),
        None => read_nodes(effects, &cluster, &pods, &access).await,
    };
    disbelieve_others(&cluster, &mut nodes);
    let intents = Intents::parse(cluster.annotations());
    let arguments = recorded_arguments(&cluster, &intents);
    let not_begun = |operation: &OperationStatus| operation.phase == OperationPhase::Pending;
    let reads = |arguments: &Arguments| behaviour(&arguments.operation).reads_snapshots();
    // Snapshots are read only if a pending operation can start: a node reads all its folders for that.
    let status = cluster.status.iter();
    let mut operations = status.flat_map(|status| &status.operations);
    let waits = intents.reconcile_paused || operations.any(has_begun);
    if !waits && is_asked(&cluster, &intents, &arguments, not_begun, reads) {
        read_snapshots(effects, &pods, &mut nodes, &access).await;
    }
    // A change of its rack may repair a broken pod; the replication is read to check that other nodes tolerate it.
    let is_broken = pods.values().any(|pod| pod.problem.is_some());
    let until_its_end = |operation: &OperationStatus| !operation.phase.is_final();
    let needed = is_broken
        || shrinks(desired, &live.stateful_sets)
        || is_asked(
            &cluster,
            &intents,
            &arguments,
            until_its_end,
            needs_replication,
        );
    let replication = if needed || has_another_schema(&cluster, &nodes) {
        read_replication(effects, &pods, &nodes, &access).await
    } else {
        BTreeMap::new()
    };
    let uid = cluster.uid().unwrap_or_default();
    let looks = &effects.cql.looks;
    let recorded = cluster
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.users);
    let users = observed_users(&user_secrets, &keys.superuser, &looks.of(&uid), recorded);
    let mut state = ObservedState {
        users,
        now: Timestamp::now(),
        at_work,
        executor: String::new(),
        intents,
        arguments,
        cluster,
        live,
        replication,
        locations: BTreeMap::new(),
        secrets: keys.secrets,
        changes_superuser: keys.superuser.change().is_some(),
        client_ca: keys
            .client
            .as_ref()
            .map(|client| client.authority_certificates()),
        validities: keys.validities,
        key_algorithms: access.key_algorithms(),
        pods,
        restore_jobs,
        nodes,
    };
    let external_members = state.external_members();
    if needed
        || external_members
            .iter()
            .any(|one| one.down || (one.live && state.expects_no_others()))
    {
        let ips = external_members
            .iter()
            .map(|external_member| external_member.ip.to_owned());
        state.locations = read_locations(effects, ips.collect(), &state, &access).await;
    }
    Observation {
        state,
        access,
        superuser: keys.superuser,
        user_secrets,
        client_certificates: keys.client,
        new_key: keys.new,
    }
}

/// The users as decisions see them, without their passwords.
fn observed_users(
    secrets: &UserSecrets,
    superuser: &Superuser,
    looks: &BTreeMap<String, Look>,
    recorded: &[UserStatus],
) -> ObservedUsers {
    let names = secrets.iter().map(|(secret, login)| {
        let name = login.as_ref().map(|login| login.username.clone());
        (secret.clone(), name.map_err(Clone::clone))
    });
    let now = Instant::now();
    let outcome = |record: &UserStatus| {
        let look = looks.get(&record.name)?;
        // A proof is that of its Secret, with the login that it still has.
        let login = |user: &User| secrets.get(&user.secret)?.as_ref().ok();
        let is_proof = look.outcome == Outcome::Fits;
        let holds = look.inputs.user.as_ref().and_then(login) == look.inputs.login.as_ref();
        let is_its = look.is_about(record, now) && (holds || !is_proof);
        is_its.then(|| (record.name.clone(), look.outcome.clone()))
    };
    ObservedUsers {
        names: names.collect(),
        reserved: superuser.names().map(str::to_owned).collect(),
        superuser: superuser.accepted().map(|login| login.username.clone()),
        outcomes: recorded.iter().filter_map(outcome).collect(),
    }
}

/// The user's scripts, as a digest that changes with their content.
async fn scripts(kube: &Kube, cluster: &CassandraCluster) -> Result<Scripts, kube::Error> {
    let Some(name) = &cluster.spec.config_map_name else {
        return Ok(Scripts::None);
    };
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<ConfigMap> = Api::namespaced(kube.client.clone(), &namespace);
    Ok(match api.get_opt(name).await? {
        Some(map) => Scripts::Digest(digest(&(&map.data, &map.binary_data))),
        None => Scripts::Missing(name.clone()),
    })
}

/// Whether the spec requests fewer nodes in any rack than there are.
fn shrinks(desired: Option<&Desired>, sets: &BTreeMap<String, StatefulSet>) -> bool {
    desired.is_some_and(|desired| {
        sets.iter().any(|(name, set)| {
            let wanted = desired
                .racks
                .iter()
                .find(|rack| names::stateful_set(&desired.name, &rack.id) == *name);
            wanted.map_or(0, |rack| rack.replicas) < replicas(set)
        })
    })
}

/// Whether an operation depends on the replication of keyspaces.
fn needs_replication(arguments: &Arguments) -> bool {
    let together = arguments.shared.waves.parallel == Parallel::Rack;
    together || behaviour(&arguments.operation).reads_replication()
}

/// Whether an operation needs state that is not always read, until that operation ends.
fn is_asked(
    cluster: &CassandraCluster,
    intents: &Intents,
    arguments: &BTreeMap<OperationKind, Arguments>,
    still: impl Fn(&OperationStatus) -> bool,
    needs: impl Fn(&Arguments) -> bool,
) -> bool {
    let status = cluster.status.as_ref();
    let known = || status.iter().flat_map(|status| &status.operations);
    // A recorded operation counts even if its annotation is gone.
    let under_way = known().filter(|operation| still(operation));
    let mut recorded = under_way.filter_map(|operation| arguments.get(&operation.kind.known()?));
    recorded.any(&needs)
        || intents.requests.values().any(|request| {
            let is_past =
                known().any(|old| old.kind == request.kind && old.id == request.id && !still(old));
            !is_past && needs(&request.arguments)
        })
}

/// Whether the schema may have changed since the replication of the keyspaces was last read.
fn has_another_schema(
    cluster: &CassandraCluster,
    nodes: &BTreeMap<String, Result<Reading, NodeError>>,
) -> bool {
    let status = cluster.status.as_ref();
    let recorded = status.and_then(|status| status.replication.as_ref());
    agreed_schema(nodes)
        .is_some_and(|now| recorded.is_none_or(|recorded| recorded.schema_version != now))
}

/// The replication of the keyspaces, as reported by the first member that responds.
async fn read_replication(
    effects: &Effects,
    pods: &BTreeMap<String, NodePod>,
    nodes: &BTreeMap<String, Result<Reading, NodeError>>,
    access: &ClusterAccess,
) -> BTreeMap<String, Replication> {
    for (endpoint, reading) in members(pods, nodes, access) {
        let keyspaces = reading.keyspaces.to_vec();
        match effects.nodes.replication(endpoint, keyspaces).await {
            Ok(found) => return found,
            Err(error) => {
                tracing::debug!(%error, "the replication of the keyspaces could not be read");
            }
        }
    }
    BTreeMap::new()
}

/// The snapshots of each member; unknown for a member that does not respond.
async fn read_snapshots(
    effects: &Effects,
    pods: &BTreeMap<String, NodePod>,
    nodes: &mut BTreeMap<String, Result<Reading, NodeError>>,
    access: &ClusterAccess,
) {
    let asked = nodes.iter_mut().filter_map(|(pod, reading)| {
        let reading = reading.as_mut().ok()?;
        let endpoint = endpoint(pods.get(pod)?, access)?;
        Some((reading, endpoint))
    });
    let each = stream::iter(asked).for_each_concurrent(AT_ONCE, |(reading, endpoint)| async {
        match effects.nodes.snapshots(endpoint).await {
            Ok(names) => reading.snapshots = Some(names),
            Err(error) => tracing::debug!(%error, "the snapshots of a node could not be read"),
        }
    });
    each.await;
}

/// The endpoint of the node of a pod.
fn endpoint(pod: &NodePod, access: &ClusterAccess) -> Option<Endpoint> {
    access.endpoint(pod.ip.as_ref()?, pod).ok()
}

/// The locations of the nodes at these addresses, as reported by the first member that responds.
async fn read_locations(
    effects: &Effects,
    ips: Vec<String>,
    state: &ObservedState,
    access: &ClusterAccess,
) -> BTreeMap<String, RackId> {
    if ips.is_empty() {
        return BTreeMap::new();
    }
    for (endpoint, reading) in members(&state.pods, &state.nodes, access) {
        let own = state.pods.values().filter_map(|pod| {
            let ip = pod.ip.as_deref()?;
            let is_member = reading.host_ids.contains_key(ip);
            is_member.then_some((ip, pod.rack.as_ref()?))
        });
        let own: Vec<(&str, &RackId)> = own.collect();
        let asked = own.iter().map(|(ip, _)| (*ip).to_owned());
        let asked = ips.iter().cloned().chain(asked).collect();
        match effects.nodes.locations(endpoint, asked).await {
            Ok(found) => return trusted_locations(found, &own),
            Err(error) => {
                tracing::debug!(%error, "the racks of the other nodes could not be read");
            }
        }
    }
    BTreeMap::new()
}

/// Members that respond, and their endpoints.
fn members<'a>(
    pods: &'a BTreeMap<String, NodePod>,
    nodes: &'a BTreeMap<String, Result<Reading, NodeError>>,
    access: &'a ClusterAccess,
) -> impl Iterator<Item = (Endpoint, &'a Reading)> {
    let members = nodes.iter().filter_map(move |(pod, reading)| {
        let reading = reading
            .as_ref()
            .ok()
            .filter(|reading| reading.is_serving())?;
        Some((endpoint(pods.get(pod)?, access)?, reading))
    });
    // Each member that no longer responds costs its deadline.
    members.take(TRIES)
}

/// Whether, according to the status, a node did not respond at this address at its last poll.
fn was_silent(cluster: &CassandraCluster, pod: &str, ip: &str) -> bool {
    let status = cluster.status.as_ref();
    let recorded = status.and_then(|status| status.cassandra_node_status.get(pod));
    recorded.is_some_and(|recorded| recorded.state == UNKNOWN && recorded.node_ip == ip)
}

/// Whether a pod starts, as far as Kubernetes tells.
fn is_starting(pod: &NodePod) -> bool {
    !pod.ready && pod.problem.is_none() && pod.lost_with.is_none()
}

/// Whether an answer takes seconds: the Management API needs them to find out that its agent does not fit.
fn is_late(pod: &NodePod) -> bool {
    pod.transport == NodeTransport::ManagementApi && is_starting(pod)
}

/// Polls all nodes at the same time; each has its own deadline.
async fn read_nodes(
    effects: &Effects,
    cluster: &CassandraCluster,
    pods: &BTreeMap<String, NodePod>,
    access: &ClusterAccess,
) -> BTreeMap<String, Result<Reading, NodeError>> {
    // A connection to an address without a pod is not refused: the reconciliation would wait for the deadline.
    let asked = pods
        .iter()
        .filter(|(_, pod)| pod.rack.is_some() && !pod.ended);
    let reads = asked.filter_map(|(name, pod)| {
        let ip = pod.ip.as_ref()?;
        let answer = match access.endpoint(ip, pod) {
            Err(error) => std::future::ready(Err(error)).boxed(),
            Ok(endpoint) if was_silent(cluster, name, ip) && !is_late(pod) => {
                effects.nodes.read_briefly(endpoint)
            }
            Ok(endpoint) => effects.nodes.read(endpoint),
        };
        Some((name.clone(), answer))
    });
    let reads = reads.collect();
    let mut readings: BTreeMap<_, _> = read_all(reads).await.into_iter().collect();
    // A container that has not started yet refuses connections; that is no failure, unless it should have started.
    let now = Timestamp::now();
    readings.retain(|name, reading| {
        let is_mute = |pod: &NodePod| *reading == Err(NodeError::Refused) && pod.runs_long(now);
        let starting = pods
            .get(name)
            .is_some_and(|pod| is_starting(pod) && !is_mute(pod));
        !(starting && reading.as_ref().is_err_and(NodeError::is_silence))
    });
    readings
}
