//! The superuser of Cassandra follows its Secret: a changed password is changed in Cassandra, by a login with the password
//! that Cassandra accepts.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use casskop_core::{
    desired::Desired, node::Statement, plan::Plan, pod_config::cassandra_yaml::native_port,
};

use kube::ResourceExt;

use crate::{
    cluster::observe::Observation,
    effects::Effects,
    kubernetes::{
        objects::error_text,
        superuser::{self, Change},
    },
    node_api::cql::{About, Address, CqlError, Login, Session},
};

/// Deadline of all exchanges of a reconciliation, with all nodes that are asked.
const EXCHANGE: Duration = Duration::from_secs(25);
/// Deadline of their thread, which ends at theirs.
const DEADLINE: Duration = Duration::from_secs(30);
/// Code of Cassandra about a statement that the role may not send.
const UNAUTHORIZED: u32 = 0x2100;
/// Codes of Cassandra about what another node may be able to do: too few replicas, or a node that starts, or that got no answer to
/// a read. (0x1001 is also the answer to a password that is changed too soon again.)
const OTHERS_MAY: [u32; 3] = [0x1000, 0x1002, 0x1200];
/// Time for which a node may remember the password and the rights that a role had before: `credentials_validity` and
/// `roles_validity` are 2 s by default.
pub(super) const REMEMBERS: Duration = Duration::from_secs(4);
/// Time between two logins until then.
pub(super) const AGAIN: Duration = Duration::from_millis(250);
/// Codes of Cassandra about a statement that no repetition makes valid.
const NEVER_VALID: [u32; 2] = [0x2000, 0x2200];

/// Why the superuser, or the replicas of the roles, could not be changed. Never has a password.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The record of the operator.
    #[error("record the superuser of Cassandra: {}", error_text(.0))]
    Record(#[from] kube::Error),
    /// Cassandra.
    #[error("change the superuser of Cassandra to that of its Secret: {0}")]
    Cassandra(#[from] CqlError),
    /// No login is accepted by any node that was asked.
    #[error(
        "log in as the superuser of Cassandra: no node accepts the password that is recorded as accepted, or the new one. Either Cassandra cannot read the roles: let nodes that are down come back, and repair system_auth. Or it has another password: write that one into the Secret, or change it in Cassandra by another superuser"
    )]
    NoLogin,
    /// The node that has changed the role refuses it.
    #[error(
        "change the superuser of Cassandra: {0} has it, and the node remembers the one before (credentials_validity, roles_validity): the next attempt follows"
    )]
    Remembered(String),
    /// No node can be asked.
    #[error(
        "log in as the superuser of Cassandra: the native transport of {0} cannot be addressed: its port or the certificates of its clients cannot be read"
    )]
    NoAddress(String),
    /// A role logs in, and has not the rights of a superuser.
    #[error(
        "change the superuser of Cassandra: the role {0} logs in and is no superuser, and the superuser before is refused: make the role a superuser by another one, or write a superuser into the Secret"
    )]
    NotSuperuser(String),
    /// Cassandra, about the replicas of the roles.
    #[error("change the replicas of the roles (ALTER KEYSPACE system_auth): {0}")]
    Replicas(CqlError),
    /// Somebody else has changed them, or the node has another name for its data center.
    #[error(
        "change the replicas of the roles (ALTER KEYSPACE system_auth): {0}; the operator looks again"
    )]
    NotAsObserved(String),
    /// There was no answer in time.
    #[error("change the superuser or the roles of Cassandra: no end within {} s", DEADLINE.as_secs())]
    Deadline,
}

impl Error {
    /// Whether another node may be able to do what one was not.
    pub(super) fn may_others(&self) -> bool {
        match self {
            Self::NoLogin | Self::NotSuperuser(_) => true,
            Self::Cassandra(error) | Self::Replicas(error) => match error {
                CqlError::Unreachable { .. } | CqlError::Timeout => true,
                CqlError::Cassandra { code, .. } => OTHERS_MAY.contains(code),
                _ => false,
            },
            _ => false,
        }
    }
}

/// The last failure about a change that is still to be made.
pub fn failure(effects: &Effects, observed: &Observation) -> Option<String> {
    let (failures, uid) = (&effects.cql.failures, uid(observed));
    if observed.superuser.change().is_none() {
        failures.forget(&uid, About::Superuser);
    }
    failures.last(&uid, About::Superuser)
}

/// Goes one step on with a change, but not for a while after a failure. Returns whether the next reconciliation has something to
/// do or to report.
pub async fn keep(
    effects: &Effects,
    desired: &Desired,
    observed: &Observation,
    plan: &Plan,
) -> bool {
    let (failures, uid) = (&effects.cql.failures, uid(observed));
    let nodes = addresses(desired, observed, plan);
    let change = observed.superuser.change();
    let change = change.filter(|_| !plan.login_nodes.is_empty());
    let Some(change) = change.filter(|_| failures.may_ask(&uid, About::Superuser, Instant::now()))
    else {
        return false;
    };
    let made = if nodes.is_empty() {
        Err(Error::NoAddress(plan.login_nodes.join(", ")))
    } else {
        step(effects, observed, nodes, change).await
    };
    match made {
        Ok(()) => failures.forget(&uid, About::Superuser),
        Err(error) => {
            failures.failed(&uid, About::Superuser, Instant::now(), error.to_string());
        }
    }
    true
}

pub(super) fn uid(observed: &Observation) -> String {
    observed.state.cluster.uid().unwrap_or_default()
}

async fn step(
    effects: &Effects,
    observed: &Observation,
    nodes: Vec<Address>,
    change: Change<'_>,
) -> Result<(), Error> {
    let superuser = &observed.superuser;
    let (kube, cluster) = (&effects.kube, &observed.state.cluster);
    match change {
        Change::Begin(next) => superuser::begin(kube, cluster, superuser, next).await?,
        Change::Make(from, to) => {
            let other = superuser.instead();
            let [before, after] = [from, to].map(Clone::clone);
            let wanted = other.cloned();
            let ask = move |open: Open<'_>| make(open, &before, &after, wanted.as_ref());
            match (exchange(effects, nodes, ask).await, other) {
                (Err(Error::Cassandra(error)), Some(other)) if never_valid(&error) => {
                    superuser::begin(kube, cluster, superuser, other).await?;
                }
                (made, _) => {
                    superuser::accept(kube, cluster, superuser, &made?).await?;
                    tracing::info!(cluster = observed.state.name(), "the superuser was changed");
                }
            }
        }
        Change::Verify(recorded, other) => {
            let all: Vec<Login> = [recorded].into_iter().chain(other).cloned().collect();
            let find = move |open: Open<'_>| {
                let all: Vec<&Login> = all.iter().collect();
                Ok(log_in(open, &all)?.1.clone())
            };
            let found = exchange(effects, nodes, find).await?;
            superuser::accept(kube, cluster, superuser, &found).await?;
        }
    }
    Ok(())
}

fn never_valid(error: &CqlError) -> bool {
    matches!(error, CqlError::Cassandra { code, .. } if NEVER_VALID.contains(code))
}

/// The native transports to ask, one after the other.
pub(super) fn addresses(desired: &Desired, observed: &Observation, plan: &Plan) -> Vec<Address> {
    let of = |name: &String| {
        let pod = observed.state.pods.get(name)?;
        let rack = pod.rack.as_ref()?;
        let rack = desired.racks.iter().find(|desired| desired.id == *rack)?;
        let ip = pod.ip.as_ref()?.parse().ok()?;
        let tls = if pod.encryption.client.has_tls() {
            Some(observed.client_certificates.clone()?)
        } else {
            None
        };
        Some(Address {
            socket: SocketAddr::new(ip, native_port(&rack.config)?),
            tls,
        })
    };
    plan.login_nodes.iter().filter_map(of).collect()
}

/// Opens a session of a login with a node.
pub(super) type Open<'a> = &'a dyn Fn(&Login) -> Result<Session, CqlError>;

/// Asks one node after the other until one answers, on a thread of its own. A node that refuses the logins may be one that cannot
/// read the roles.
pub(super) async fn exchange<T: Send + 'static>(
    effects: &Effects,
    nodes: Vec<Address>,
    mut ask: impl FnMut(Open<'_>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let deadline = Instant::now() + EXCHANGE;
    let exchange = effects.cql.with_gate(move |gate| {
        let mut last = Err(Error::Deadline);
        for node in &nodes {
            last = ask(&|login| Session::open(gate.clone(), node, login, deadline));
            if !last.as_ref().is_err_and(Error::may_others) {
                break;
            }
        }
        last
    });
    let outcome = tokio::time::timeout(DEADLINE, exchange).await;
    outcome.ok().flatten().unwrap_or(Err(Error::Deadline))
}

/// Changes the superuser; returns the one that Cassandra accepts then. Every part may be repeated. Where neither of the recorded
/// ones is accepted, a person has changed the password, and has written it into the Secret.
fn make(open: Open<'_>, from: &Login, to: &Login, other: Option<&Login>) -> Result<Login, Error> {
    let (mut session, accepted) = match (change(open, from, to), other) {
        (Err(Error::NoLogin | Error::NotSuperuser(_)), Some(other)) => {
            (confirm(open, other)?, other)
        }
        (session, _) => (session?, to),
    };
    for before in [from, to].map(|login| &login.username) {
        if *before != accepted.username {
            session.shut_out(before, || Ok(Statement::shut_out(before)))?;
        }
    }
    Ok(accepted.clone())
}

/// Changes one superuser to another one, and logs in as that. A role of the other name may have that password without being a
/// superuser, and the one before lets it in: the one before logs in as long as it may.
fn change(open: Open<'_>, from: &Login, to: &Login) -> Result<Session, Error> {
    if from.username == to.username {
        return set_password(open, &[to, from], to);
    }
    let (mut session, login) = log_in(open, &[from, to])?;
    if login == to {
        return Ok(session);
    }
    let admit = if session.run(&Statement::role(&to.username))?.count() == 0 {
        Statement::create_role(&to.username, &to.password, true)
    } else {
        // Maybe an earlier one that was shut out.
        Statement::admit_role(&to.username, &to.password, true)
    };
    session.run(&admit)?;
    log_in_anew(open, to)
}

/// Sets the same password once more: an earlier change that is still on its way does not come after it.
fn confirm(open: Open<'_>, login: &Login) -> Result<Session, Error> {
    set_password(open, &[login], login)
}

/// Sets the password by the first login that Cassandra accepts, and logs in with it. It is set even where it is accepted: Cassandra
/// may remember it from an earlier login, and have another one by now.
fn set_password(open: Open<'_>, by: &[&Login], to: &Login) -> Result<Session, Error> {
    let (mut session, _) = log_in(open, by)?;
    session.run(&Statement::change_password(&to.username, &to.password))?;
    log_in_anew(open, to)
}

/// Logs in as a superuser that Cassandra has been told. The node may remember what it was before; another change would not help.
fn log_in_anew(open: Open<'_>, to: &Login) -> Result<Session, Error> {
    let until = Instant::now() + REMEMBERS;
    loop {
        match log_in(open, &[to]) {
            Ok((session, _)) => return Ok(session),
            Err(Error::NoLogin | Error::NotSuperuser(_)) if Instant::now() < until => {
                std::thread::sleep(AGAIN);
            }
            Err(Error::NoLogin | Error::NotSuperuser(_)) => {
                return Err(Error::Remembered(to.username.clone()));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Logs in as the first one that Cassandra accepts and that is a superuser.
pub(super) fn log_in<'a>(
    open: Open<'_>,
    logins: &[&'a Login],
) -> Result<(Session, &'a Login), Error> {
    let mut none = Error::NoLogin;
    for login in logins {
        let mut session = match open(login) {
            Err(CqlError::Refused(_)) => continue,
            session => session?,
        };
        if is_superuser(&mut session, &login.username)? {
            return Ok((session, login));
        }
        none = Error::NotSuperuser(login.username.clone());
    }
    Err(none)
}

/// Other roles may not read the roles.
fn is_superuser(session: &mut Session, name: &str) -> Result<bool, CqlError> {
    match session.run(&Statement::role(name)) {
        Err(CqlError::Cassandra { code, .. }) if code == UNAUTHORIZED => Ok(false),
        rows => Ok(rows?.flag(1) == Some(true)),
    }
}
