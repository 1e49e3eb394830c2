//! Candidates from the API server or the kubeconfig.

use std::collections::BTreeSet;

use casskop_common::{
    api::CassandraCluster,
    names::RackId,
    operations::{self, ClusterValue},
};
use kube::{ResourceExt, api::ListParams};

use super::{Candidate, line::Line};
use crate::{
    client::{
        clusters::Clusters,
        connect::{self, Entry},
        failure::Call,
        multi_casskops,
        resource::NAMESPACES,
    },
    completer::Completer,
    error::{CliError, Result},
    model::{
        control::request_ref::{self, CurrentRequest},
        topology,
    },
    runtime::block_on,
    terminal::colors::Style,
    view::status,
};

/// The names of objects.
///
/// # Errors
/// When the kubeconfig or the API server cannot be read.
pub fn named(line: &Line, objects: Completer) -> Result<Vec<Candidate>> {
    let flags = line.connection();
    let entries = |entry| Ok(candidates(connect::names(&flags, entry)));
    match objects {
        Completer::Context => entries(Entry::Context),
        Completer::KubeCluster => entries(Entry::Cluster),
        Completer::KubeUser => entries(Entry::User),
        Completer::Cluster => block_on(async { clusters(&Clusters::connect(&flags)?).await }),
        Completer::Namespace => block_on(async { namespaces(&Clusters::connect(&flags)?).await }),
        Completer::MultiCasskop => block_on(async {
            let all = multi_casskops::list(&Clusters::connect(&flags)?).await?;
            Ok(candidates(all.names(ResourceExt::name_any)))
        }),
        Completer::Site => block_on(async {
            let all = multi_casskops::list(&Clusters::connect(&flags)?).await?;
            let sites = all.items.iter().flat_map(|ring| ring.spec.override_.keys());
            Ok(candidates(sites.cloned().collect::<BTreeSet<String>>()))
        }),
        Completer::Kind => Ok(kinds(&cluster(line)?)),
        Completer::RequestId => Ok(ids(&cluster(line)?, line)),
        Completer::Check => Ok(checks(&cluster(line)?, line)),
    }
}

/// Parts of the cluster on the line.
///
/// # Errors
/// When the cluster cannot be read.
pub fn of_cluster(line: &Line, value: ClusterValue) -> Result<Vec<Candidate>> {
    let cluster = cluster(line)?;
    let racks = topology::nodes(&cluster);
    Ok(match value {
        ClusterValue::DataCenter => {
            let names = racks.keys().map(|rack| rack.dc.clone());
            candidates(names.collect::<BTreeSet<String>>())
        }
        ClusterValue::Rack => {
            let alone = |name: &str| racks.keys().filter(|rack| rack.rack == name).count() == 1;
            let short = |rack: &RackId| {
                if alone(&rack.rack) {
                    rack.rack.clone()
                } else {
                    rack.to_string()
                }
            };
            candidates(racks.keys().map(short).collect::<BTreeSet<String>>())
        }
        ClusterValue::Pod => {
            let nodes = racks.values().flatten();
            let described = nodes.map(|node| {
                let state = node.status.map(status::state);
                let state = state.map(|(code, words, _)| format!("{code}  {words}"));
                Candidate::new(&node.pod, state.unwrap_or_default())
            });
            described.collect()
        }
        ClusterValue::HostId => host_ids(&cluster),
        ClusterValue::Keyspace => candidates(keyspaces(&cluster)),
        ClusterValue::Store => candidates(stores(&cluster)),
    })
}

/// The cluster on the line.
fn cluster(line: &Line) -> Result<CassandraCluster> {
    let name = line.positionals.first().map(String::as_str);
    let flags = line.connection();
    block_on(async {
        let clusters = Clusters::connect(&flags)?;
        let found = clusters.find(name.unwrap_or_default()).await?;
        found.ok_or_else(|| CliError::failed("no such cluster"))
    })
}

fn candidates(names: impl IntoIterator<Item = String>) -> Vec<Candidate> {
    let names = names.into_iter();
    names.map(|name| Candidate::new(name, "")).collect()
}

async fn clusters(clusters: &Clusters) -> Result<Vec<Candidate>> {
    let style = Style::none();
    let described = |cluster: &CassandraCluster| {
        let title = status::title(cluster, style);
        let about = title.split_once(": ").map(|(_, about)| about.to_owned());
        Candidate::new(cluster.name_any(), about.unwrap_or_default())
    };
    let all = clusters.list(false).await?;
    Ok(all.items.iter().map(described).collect())
}

async fn namespaces(clusters: &Clusters) -> Result<Vec<Candidate>> {
    let api = NAMESPACES.api(clusters.client(), None);
    let call = Call {
        verb: "list",
        resource: &NAMESPACES,
        name: None,
        namespace: None,
    };
    let params = ListParams::default();
    let all = clusters.ask(&call, api.list(&params)).await?;
    Ok(candidates(all.iter().map(ResourceExt::name_any)))
}

/// Keyspaces that operations have worked on: the status names no others.
fn keyspaces(cluster: &CassandraCluster) -> BTreeSet<String> {
    let operations = cluster.status.iter().flat_map(|status| &status.operations);
    let of_keyspaces = operations.filter(|operation| {
        let mut progress = operation
            .nodes
            .iter()
            .filter_map(|node| node.progress.as_ref());
        progress.any(|progress| progress.unit == "keyspaces")
    });
    let plans = of_keyspaces.filter_map(|operation| operation.plan.as_ref());
    plans.flat_map(|plan| plan.steps.clone()).collect()
}

/// Stores of backups that the spec declares.
fn stores(cluster: &CassandraCluster) -> Vec<String> {
    let stores = cluster.spec.backup.iter().flat_map(|backup| &backup.stores);
    stores.map(|store| store.name.clone()).collect()
}

/// The kinds that were requested; without any all there are.
fn kinds(cluster: &CassandraCluster) -> Vec<Candidate> {
    let current = request_ref::current(cluster);
    if current.is_empty() {
        return candidates(operations::kinds().map(str::to_owned));
    }
    let described = current
        .iter()
        .map(|current| Candidate::new(&current.kind, current.state()));
    described.collect()
}

/// Host ids, those of nodes that are not up first.
fn host_ids(cluster: &CassandraCluster) -> Vec<Candidate> {
    let status = cluster.status.iter();
    let nodes = status.flat_map(|status| &status.cassandra_node_status);
    let mut nodes: Vec<_> = nodes.filter(|(_, node)| !node.host_id.is_empty()).collect();
    nodes.sort_by_key(|(_, node)| node.gossip == "Up");
    let described = nodes.into_iter().map(|(pod, node)| {
        let (code, words, _) = status::state(node);
        Candidate::new(&node.host_id, format!("{pod}  {code}  {words}"))
    });
    described.collect()
}

/// Ids of the kind on the line, if there is one.
fn ids(cluster: &CassandraCluster, line: &Line) -> Vec<Candidate> {
    let kind = line.positionals.get(1);
    let status = cluster.status.iter();
    let all = status.flat_map(|status| status.operations.iter().chain(&status.operation_history));
    let all = all.filter(|operation| kind.is_none_or(|kind| operation.kind.as_str() == kind));
    all.map(|operation| {
        let about = format!("{} {}", operation.kind, operation.phase.as_str());
        Candidate::new(&operation.id, about)
    })
    .collect()
}

/// Checks that hold an operation back; before the first one also the kinds that wait for any.
fn checks(cluster: &CassandraCluster, line: &Line) -> Vec<Candidate> {
    let given = line.positionals.get(1..).unwrap_or_default();
    let waiting: Vec<CurrentRequest> = request_ref::current(cluster)
        .into_iter()
        .filter(|current| !current.failing().is_empty())
        .collect();
    let named = given
        .first()
        .filter(|word| waiting.iter().any(|current| current.kind == **word));
    let mut found = Vec::new();
    for current in &waiting {
        if given.is_empty() {
            found.push(Candidate::new(&current.kind, current.state()));
        }
        if named.is_some_and(|kind| *kind != current.kind) {
            continue;
        }
        for check in current
            .operation
            .iter()
            .flat_map(|operation| &operation.checks)
        {
            let fails = current.failing().contains(&check.name.as_str());
            if fails && !given.contains(&check.name) {
                found.push(Candidate::new(&check.name, &check.evidence));
            }
        }
    }
    found
}
