//! The roles of Cassandra: the superuser follows its Secret by a login with the password that Cassandra accepts, and the
//! replicas of the roles follow the nodes.

use std::{net::SocketAddr, time::Duration};

use casskop_core::{
    desired::Desired, node::Statement, plan::Plan, pod_config::cassandra_yaml::native_port,
};

use crate::{
    cluster::observe::Observation,
    effects::Effects,
    kubernetes::superuser::{self, Change},
    node_api::{
        Gate,
        cql::{Address, CqlError, Login, Session},
    },
};

/// Deadline of all exchanges of a reconciliation; each session has one of its own.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why the superuser could not be changed. Never has a password.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The record of the operator.
    #[error("record the superuser of Cassandra: {0}")]
    Record(#[from] kube::Error),
    /// Cassandra.
    #[error("change the superuser of Cassandra to that of its Secret: {0}")]
    Cassandra(#[from] CqlError),
    /// No login works.
    #[error(
        "change the superuser of Cassandra to that of its Secret: neither the password before nor the new one is accepted. Restore the password in the Secret that Cassandra has, or change it in Cassandra by another superuser"
    )]
    LockedOut,
    /// There was no answer in time.
    #[error("change the superuser of Cassandra: no end within {} s", DEADLINE.as_secs())]
    Deadline,
}

/// Goes one step on with a change. Returns whether there was one.
///
/// # Errors
/// The step failed; the next reconciliation repeats it.
pub async fn keep(
    effects: &Effects,
    desired: &Desired,
    observed: &Observation,
    plan: &Plan,
) -> Result<bool, Error> {
    let nodes = addresses(desired, observed, plan);
    let superuser = &observed.superuser;
    if nodes.is_empty() {
        return Ok(false);
    }
    let Some(change) = superuser.change() else {
        return replicate(effects, superuser.accepted(), nodes, plan).await;
    };
    let (kube, cluster) = (&effects.kube, &observed.state.cluster);
    match change {
        Change::Begin(next) => superuser::begin(kube, cluster, superuser, next).await?,
        Change::Make(from, to) => {
            let (before, after) = (from.clone(), to.clone());
            exchange(effects, nodes, move |gate, node| {
                make(gate, node, &before, &after)
            })
            .await?;
            superuser::accept(kube, cluster, superuser, to).await?;
            tracing::info!(cluster = observed.state.name(), "the superuser was changed");
        }
        Change::Find(logins) => {
            let all = logins.map(Clone::clone);
            let found = exchange(effects, nodes, move |gate, node| find(gate, node, &all)).await?;
            superuser::accept(kube, cluster, superuser, &found).await?;
        }
    }
    Ok(true)
}

/// Changes the replicas of the roles, where the plan says so. The record of the status, and the repair, follow from what
/// Cassandra has afterwards.
async fn replicate(
    effects: &Effects,
    login: Option<&Login>,
    nodes: Vec<Address>,
    plan: &Plan,
) -> Result<bool, Error> {
    let Some((login, replicas)) = login.zip(plan.role_replicas.as_ref()) else {
        return Ok(false);
    };
    let (login, replicas) = (login.clone(), replicas.clone());
    let change = move |gate: &Gate, node: &Address| {
        let mut session = Session::open(gate.clone(), node, &login)?;
        session.run(&Statement::replicate(&replicas))?;
        Ok(())
    };
    exchange(effects, nodes, change).await?;
    tracing::info!(replicas = ?plan.role_replicas, "the replicas of the roles were changed");
    Ok(true)
}

/// The native transports to ask, one after the other.
fn addresses(desired: &Desired, observed: &Observation, plan: &Plan) -> Vec<Address> {
    let of = |name: &String| {
        let pod = observed.state.pods.get(name)?;
        let rack = pod.rack.as_ref()?;
        let rack = desired.racks.iter().find(|desired| desired.id == *rack)?;
        let ip = pod.ip.as_ref()?.parse().ok()?;
        let tls = match pod.encryption.client.has_tls() {
            true => Some(observed.client_certificates.clone()?),
            false => None,
        };
        Some(Address {
            socket: SocketAddr::new(ip, native_port(&rack.config)?),
            tls,
        })
    };
    plan.login_nodes.iter().filter_map(of).collect()
}

/// Asks the first node that can be reached, on a thread of its own.
async fn exchange<T: Send + 'static>(
    effects: &Effects,
    nodes: Vec<Address>,
    ask: impl Fn(&Gate, &Address) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let exchange = effects.cql.with_gate(move |gate| {
        let mut last = Err(Error::Deadline);
        for node in &nodes {
            last = ask(&gate, node);
            let is_away = matches!(
                last,
                Err(Error::Cassandra(
                    CqlError::Unreachable { .. } | CqlError::Timeout
                ))
            );
            if !is_away {
                break;
            }
        }
        last
    });
    let outcome = tokio::time::timeout(DEADLINE, exchange).await;
    outcome.ok().flatten().unwrap_or(Err(Error::Deadline))
}

/// Changes the superuser. Every part may be repeated.
fn make(gate: &Gate, node: &Address, from: &Login, to: &Login) -> Result<(), Error> {
    let open = |login: &Login| Session::open(gate.clone(), node, login);
    let mut session = match open(to) {
        Err(CqlError::Refused(_)) => {
            let mut session = match open(from) {
                Err(CqlError::Refused(_)) => return Err(Error::LockedOut),
                session => session?,
            };
            session.run(&if from.username == to.username {
                Statement::change_password(&to.username, &to.password)
            } else {
                Statement::create_superuser(&to.username, &to.password)
            })?;
            open(to)?
        }
        session => session?,
    };
    if from.username != to.username {
        session.run(&Statement::shut_out(&from.username))?;
    }
    Ok(())
}

/// The first login that Cassandra accepts.
fn find(gate: &Gate, node: &Address, logins: &[Login]) -> Result<Login, Error> {
    for login in logins {
        match Session::open(gate.clone(), node, login) {
            Err(CqlError::Refused(_)) => {}
            session => return Ok(session.map(|_| login.clone())?),
        }
    }
    Err(Error::LockedOut)
}
