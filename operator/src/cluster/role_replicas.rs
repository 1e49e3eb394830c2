//! The replicas of the roles, as the plan has recorded their next change: Cassandra is told by a login of the superuser. The
//! statement is repeated until Cassandra has them, and is sent only where it has those that were observed.

use std::{collections::BTreeMap, time::Instant};

use casskop_common::api::SeenReplication;
use casskop_core::{
    desired::Desired, node::Statement, operations::role_replicas::Change, plan::Plan,
};

use crate::{
    cluster::{
        observe::Observation,
        superuser::{Error, Open, addresses, exchange, log_in, uid},
    },
    effects::Effects,
    node_api::cql::{About, CqlError, Login, Session},
};

/// The strategies, without the package of their class.
const SIMPLE: &str = "SimpleStrategy";
const BY_DATA_CENTER: &str = "NetworkTopologyStrategy";

/// The last failure about a change that is still to be made.
pub fn failure(effects: &Effects, observed: &Observation, plan: &Plan) -> Option<String> {
    let (failures, uid) = (&effects.cql.failures, uid(observed));
    let status = &plan.status.role_replicas;
    if status.as_ref().is_none_or(|record| record.next.is_none()) {
        failures.forget(&uid, About::Replicas);
    }
    failures.last(&uid, About::Replicas)
}

/// Tells Cassandra the recorded change, but not for a while after a failure. Returns whether the next reconciliation has
/// something to do or to report.
pub async fn keep(
    effects: &Effects,
    desired: &Desired,
    observed: &Observation,
    plan: &Plan,
) -> bool {
    let (failures, uid) = (&effects.cql.failures, uid(observed));
    let change = plan.role_replicas.as_ref();
    let change = change.filter(|_| failures.may_ask(&uid, About::Replicas, Instant::now()));
    let Some((change, login)) = change.zip(observed.superuser.accepted()) else {
        return false;
    };
    let nodes = addresses(desired, observed, plan);
    let dcs = dcs(observed, plan);
    let (to_make, login) = (change.clone(), login.clone());
    let ask = move |open: Open<'_>| make(open, &login, &to_make, &dcs);
    let made = if nodes.is_empty() {
        Err(Error::NoAddress(plan.login_nodes.join(", ")))
    } else {
        exchange(effects, nodes, ask).await
    };
    match made {
        Ok(()) => {
            let cluster = observed.state.name();
            tracing::info!(cluster, to = ?change.to, "the replicas of the roles were changed");
            failures.forget(&uid, About::Replicas);
        }
        Err(error) => failures.failed(&uid, About::Replicas, Instant::now(), error.to_string()),
    }
    true
}

/// The data centers of the nodes that are asked, as the operator names them.
fn dcs(observed: &Observation, plan: &Plan) -> Vec<String> {
    let rack = |pod: &String| observed.state.pods.get(pod)?.rack.as_ref();
    let racks = plan.login_nodes.iter().filter_map(rack);
    racks.map(|rack| rack.dc.clone()).collect()
}

fn make(open: Open<'_>, login: &Login, change: &Change, dcs: &[String]) -> Result<(), Error> {
    let (mut session, _) = log_in(open, &[login])?;
    let own = session.run(&Statement::data_center());
    let own = own.map_err(Error::Replicas)?.text(0).unwrap_or_default();
    if !dcs.contains(&own) {
        return Err(Error::NotAsObserved(format!(
            "the node is in a data center {own:?}, and its pod in {}",
            dcs.join(", ")
        )));
    }
    let now = replicas(&mut session).map_err(Error::Replicas)?;
    if now.as_ref() == Some(&change.to) {
        return Ok(());
    }
    if now.as_ref() != Some(&change.from) {
        return Err(Error::NotAsObserved("they were changed since".into()));
    }
    let changed = session.run(&Statement::replicate(&change.to));
    changed.map(drop).map_err(Error::Replicas)
}

/// The replicas that the node has in its schema, in the words of the record; nothing of another strategy.
fn replicas(session: &mut Session) -> Result<Option<BTreeMap<String, i32>>, CqlError> {
    let rows = session.run(&Statement::replication())?;
    let mut map = rows
        .map(0)
        .ok_or(CqlError::Malformed("system_auth has no replication"))?;
    let class = map.remove("class").unwrap_or_default();
    if class.ends_with(SIMPLE) {
        let count = map.remove("replication_factor");
        let count = count.and_then(|count| count.parse().ok());
        return Ok(count.map(|count| [(SeenReplication::ANYWHERE.to_owned(), count)].into()));
    }
    let each = map.into_iter();
    let each = each.map(|(dc, count)| Some((dc, count.parse().ok()?)));
    let all: Option<BTreeMap<String, i32>> = each.collect();
    Ok(all
        .filter(|_| class.ends_with(BY_DATA_CENTER))
        .map(|all| all.into_iter().filter(|(_, count)| *count > 0).collect()))
}
