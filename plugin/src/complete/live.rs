//! Candidates that stand on the API server or in the kubeconfig.

use std::collections::BTreeSet;

use casskop_common::{api::CassandraCluster, names::RackId, operations};
use clap::Arg;
use kube::{ResourceExt, api::ListParams};

use super::{
    Candidate,
    line::{Line, value_name},
};
use crate::{
    client::{self, explain::Call, resource::NAMESPACES},
    clusters::Clusters,
    control::subject::{self, Subject},
    error::{CliError, Result},
    multi::rings,
    topology,
    ui::{status, style::Style},
};

/// The candidates for the value of an argument.
///
/// # Errors
/// When nobody can be asked; then there are none.
pub fn candidates(line: &Line, arg: &Arg) -> Result<Vec<Candidate>> {
    let what = value_name(arg);
    let flags = line.connection();
    match (what, arg.get_id().as_str()) {
        ("CONTEXT", _) => return Ok(named(client::names(&flags, client::Entry::Context))),
        (_, "kube_cluster") => return Ok(named(client::names(&flags, client::Entry::Cluster))),
        (_, "kube_user") => return Ok(named(client::names(&flags, client::Entry::User))),
        // A new request has no old id.
        ("ID", "id") if requests(line) => return Ok(Vec::new()),
        (
            "CLUSTER" | "RING" | "SITE" | "NAMESPACE" | "KIND" | "CHECK" | "ID" | "DC" | "RACK"
            | "POD" | "KEYSPACE",
            _,
        ) => {}
        _ => return Ok(Vec::new()),
    }
    crate::commands::live(async {
        let clusters = Clusters::connect(&flags)?;
        match what {
            "CLUSTER" => all_clusters(&clusters).await,
            "RING" => {
                let rings = rings::list(&clusters).await?;
                Ok(named(rings.iter().map(ResourceExt::name_any).collect()))
            }
            "SITE" => {
                let rings = rings::list(&clusters).await?;
                let sites = rings.iter().flat_map(|ring| ring.spec.override_.keys());
                let sites: BTreeSet<String> = sites.cloned().collect();
                Ok(named(sites.into_iter().collect()))
            }
            "NAMESPACE" => namespaces(&clusters).await,
            _ => {
                let name = line
                    .positionals
                    .first()
                    .map(String::as_str)
                    .unwrap_or_default();
                let cluster = clusters.look(name).await?;
                let cluster = cluster.ok_or_else(|| CliError::failed("no such cluster"))?;
                Ok(of_cluster(&cluster, arg, line))
            }
        }
    })
}

/// Whether the command on the line is a kind of operation.
fn requests(line: &Line) -> bool {
    let command = line.command.map(clap::Command::get_name);
    command.is_some_and(|command| operations::kinds().any(|kind| kind == command))
}

fn named(names: Vec<String>) -> Vec<Candidate> {
    names
        .into_iter()
        .map(|name| Candidate::new(name, ""))
        .collect()
}

async fn all_clusters(clusters: &Clusters) -> Result<Vec<Candidate>> {
    let style = Style::new(crate::cli::Color::Never, false);
    let described = |cluster: &CassandraCluster| {
        let title = status::title(cluster, style);
        let about = title.split_once(": ").map(|(_, about)| about.to_owned());
        Candidate::new(cluster.name_any(), about.unwrap_or_default())
    };
    Ok(clusters.list(false).await?.iter().map(described).collect())
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
    Ok(named(all.iter().map(ResourceExt::name_any).collect()))
}

/// What the cluster on the line has.
fn of_cluster(cluster: &CassandraCluster, arg: &Arg, line: &Line) -> Vec<Candidate> {
    let racks = topology::nodes(cluster);
    let set = |names: BTreeSet<String>| named(names.into_iter().collect());
    match value_name(arg) {
        _ if arg.get_id() == "host_id" => host_ids(cluster),
        "DC" => set(racks.keys().map(|rack| rack.dc.clone()).collect()),
        "RACK" => {
            let alone = |name: &str| racks.keys().filter(|rack| rack.rack == name).count() == 1;
            let short = |rack: &RackId| {
                if alone(&rack.rack) {
                    rack.rack.clone()
                } else {
                    rack.to_string()
                }
            };
            let names = racks.keys().map(short);
            set(names.collect())
        }
        "POD" => {
            let nodes = racks.values().flatten();
            let described = nodes.map(|node| {
                let state = node.status.map(status::state);
                let state = state.map(|(code, words, _)| format!("{code}  {words}"));
                Candidate::new(&node.pod, state.unwrap_or_default())
            });
            described.collect()
        }
        "KEYSPACE" => set(keyspaces(cluster)),
        "KIND" => kinds(cluster),
        "ID" => ids(cluster, line),
        _ => checks(cluster, line),
    }
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

/// The kinds that were requested; without any all there are.
fn kinds(cluster: &CassandraCluster) -> Vec<Candidate> {
    let current = subject::current(cluster);
    if current.is_empty() {
        return named(operations::kinds().map(str::to_owned).collect());
    }
    let described = current
        .iter()
        .map(|subject| Candidate::new(&subject.kind, subject.state()));
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
    let all = all.filter(|operation| kind.is_none_or(|kind| operation.kind == *kind));
    all.map(|operation| {
        let about = format!("{} {}", operation.kind, operation.phase.as_str());
        Candidate::new(&operation.id, about)
    })
    .collect()
}

/// Checks that hold an operation back; before the first one also the kinds that wait for any.
fn checks(cluster: &CassandraCluster, line: &Line) -> Vec<Candidate> {
    let given = line.positionals.get(1..).unwrap_or_default();
    let waiting: Vec<Subject> = subject::current(cluster)
        .into_iter()
        .filter(|subject| !subject.failing().is_empty())
        .collect();
    let named = given
        .first()
        .filter(|word| waiting.iter().any(|subject| subject.kind == **word));
    let mut found = Vec::new();
    for subject in &waiting {
        if given.is_empty() {
            found.push(Candidate::new(&subject.kind, subject.state()));
        }
        if named.is_some_and(|kind| *kind != subject.kind) {
            continue;
        }
        for check in subject
            .operation
            .iter()
            .flat_map(|operation| &operation.checks)
        {
            let fails = subject.failing().contains(&check.name.as_str());
            if fails && !given.contains(&check.name) {
                found.push(Candidate::new(&check.name, &check.evidence));
            }
        }
    }
    found
}
