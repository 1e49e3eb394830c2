//! The roles of applications follow `spec.authentication.users` and their Secrets, by the superuser: each on its own, so that one
//! that cannot be made holds up no other. Each part may be repeated.

use std::{
    collections::VecDeque,
    thread,
    time::{Duration, Instant},
};

use casskop_common::api::{GrantTarget, User, UserOrigin, UserStatus};
use casskop_core::{
    desired::Desired,
    node::Statement,
    plan::Plan,
    users::{self, Granted, GrantedRow, Kept, Next, Outcome, Role, Task},
};

use crate::{
    cluster::{
        observe::Observation,
        superuser::{AGAIN, Error, Open, REMEMBERS, addresses, exchange, log_in, uid},
    },
    effects::Effects,
    node_api::cql::{
        About, CqlError, Exchange, Inputs, Login, Look, Looks, Session, without_message,
    },
};

/// Time after which no further role is begun with: the exchange of a reconciliation ends soon.
const BEGINS: Duration = Duration::from_secs(10);

/// The last failure about all roles.
pub fn failure(effects: &Effects, observed: &Observation) -> Option<String> {
    let (failures, uid) = (&effects.cql.failures, uid(observed));
    if observed.user_secrets.is_empty() && users::recorded(&observed.state).is_empty() {
        failures.forget(&uid, About::Users);
    }
    failures.last(&uid, About::Users)
}

/// The aim of the work on a role.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// It is brought to what the spec says, as far as its Secret can be used.
    Keep,
    /// Another Secret has to have its password, and nothing else is done.
    Prove,
    /// It is removed.
    Remove,
}

/// A role to look at.
#[derive(Clone)]
struct Work {
    inputs: Inputs,
    aim: Aim,
    /// Whether the password is set even where it is accepted: Cassandra may remember it, and have another one by now.
    sets_password: bool,
    /// Whether all replicas have the roles. One without could say that there is no role of a name.
    are_whole: bool,
}

/// Brings roles to what the status records, those about which something has changed since the last look. Returns whether the
/// next reconciliation has something to do or to report.
pub async fn keep(
    effects: &Effects,
    desired: &Desired,
    observed: &Observation,
    plan: &Plan,
) -> bool {
    let (cql, uid) = (&effects.cql, uid(observed));
    let records = users::recorded(&observed.state);
    // The record comes first.
    let superuser = observed.superuser.accepted();
    let superuser = superuser.filter(|_| plan.status.users == records);
    let (Some(superuser), Some(schema)) = (superuser, observed.state.schema_version()) else {
        return false;
    };
    let replicas = plan.status.role_replicas.as_ref();
    let are_whole = replicas.is_some_and(|replicas| replicas.repaired && replicas.next.is_none());
    let work = work(desired, observed, schema, are_whole, &cql.looks);
    if work.is_empty() {
        cql.failures.forget(&uid, About::Users);
    }
    let may_ask = cql.failures.may_ask(&uid, About::Users, Instant::now());
    if plan.login_nodes.is_empty() || work.is_empty() || !may_ask {
        return false;
    }
    let nodes = addresses(desired, observed, plan);
    let is_there = |name: &str| records.iter().any(|record| record.name == name);
    let made = if nodes.is_empty() {
        Err(Error::NoAddress(plan.login_nodes.join(", ")))
    } else {
        let Some(roles) = cql.looks.exchange(&uid, is_there) else {
            return false;
        };
        let superuser = superuser.clone();
        let mut left = VecDeque::from(work);
        let ask = move |open: Open<'_>| each(open, &superuser, &mut left, &roles);
        exchange(effects, nodes, ask).await
    };
    match made {
        Ok(()) => cql.failures.forget(&uid, About::Users),
        Err(error) => {
            let error = format!("keep the roles of applications: {}", words(error));
            cql.failures
                .failed(&uid, About::Users, Instant::now(), error);
        }
    }
    true
}

/// The recorded roles about which something has changed since the last look, or whose last look has failed. Those that have waited
/// the longest come first: a role that takes all the time holds up no other.
fn work(
    desired: &Desired,
    observed: &Observation,
    schema: &str,
    are_whole: bool,
    looks: &Looks,
) -> Vec<Work> {
    let (state, uid) = (&observed.state, uid(observed));
    let (looks, begun) = (looks.of(&uid), looks.begun(&uid));
    let (all, now) = (users::users(desired), Instant::now());
    let work = users::recorded(state).iter().filter_map(|record| {
        let task = users::task(record, all, state)?;
        let (user, aim) = match task {
            Task::Keep(user) | Task::TakeBack(user) => (Some(user), Aim::Keep),
            Task::Prove(user) => (Some(user), Aim::Prove),
            Task::Remove => (None, Aim::Remove),
        };
        let login = |user: &User| observed.user_secrets.get(&user.secret)?.clone().ok();
        let mut inputs = Inputs {
            user: user.cloned(),
            login: user.and_then(login),
            record: without_message(record),
            schema: schema.to_owned(),
        };
        let last = looks.get(&record.name);
        if let Some(last) = last {
            let waits = matches!(&last.outcome, Outcome::Kept(kept) if !kept.missing.is_empty());
            // A keyspace that is dropped takes its permissions along, and may be created again.
            let follows = waits || (!record.grants.is_empty() && last.is_old(now));
            if !follows {
                inputs.schema.clone_from(&last.inputs.schema);
            }
            if last.holds(&inputs, now) {
                return None;
            }
        }
        let kept = last.filter(|last| matches!(last.outcome, Outcome::Kept(_)));
        let is_set = kept.is_some_and(|kept| kept.inputs.login == inputs.login);
        Some(Work {
            inputs,
            aim,
            sets_password: !is_set,
            are_whole,
        })
    });
    let mut work: Vec<Work> = work.collect();
    work.sort_by_key(|work| begun.get(&work.inputs.record.name).copied());
    work
}

/// An error without the words about the superuser.
fn words(error: Error) -> String {
    match error {
        Error::Cassandra(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Goes through the roles that are left. What was begun with, and what came of it, is kept whatever happens to the others.
fn each(
    open: Open<'_>,
    superuser: &Login,
    left: &mut VecDeque<Work>,
    roles: &Exchange,
) -> Result<(), Error> {
    let until = Instant::now() + BEGINS;
    let mut is_first = true;
    while let Some(work) = left.front() {
        if !is_first && Instant::now() > until {
            break;
        }
        is_first = false;
        let (mut session, _) = log_in(open, &[superuser])?;
        let name = &work.inputs.record.name;
        roles.begin(name);
        let outcome = match one(open, &mut session, work) {
            // Another node may do it, or the next exchange.
            Err(error) if error.may_others() => return Err(error),
            Err(error) => Outcome::Failed(words(error)),
            Ok(outcome) => outcome,
        };
        let look = Look {
            inputs: work.inputs.clone(),
            outcome,
            at: Instant::now(),
        };
        roles.end(name, look);
        left.pop_front();
    }
    Ok(())
}

fn one(open: Open<'_>, session: &mut Session, work: &Work) -> Result<Outcome, Error> {
    let record = &work.inputs.record;
    let name = &record.name;
    let role = role(session, name)?;
    if role.is_none() && !work.are_whole {
        return Ok(Outcome::Waiting(
            "waits until all replicas of the roles are repaired (status.roleReplicas)".into(),
        ));
    }
    if work.aim == Aim::Remove {
        return match role {
            None => Ok(Outcome::Removed),
            Some(_) => remove(session, record),
        };
    }
    // A role that another Secret has made is nobody's until this one has its password.
    let origin = record.origin.filter(|_| work.aim != Aim::Prove);
    let mut kept = Kept::default();
    let (revoked, granted) = users::grants(record, work.inputs.user.as_ref());
    if origin.is_some() && role.is_some() {
        // Before anything that its Secret could prevent.
        kept = take_back(session, name, revoked)?;
    }
    let (Some(user), Some(login)) = (&work.inputs.user, &work.inputs.login) else {
        return Ok(Outcome::Kept(kept));
    };
    let is_told = match users::next(origin, user.superuser, role) {
        Next::Absent => return Ok(Outcome::Absent),
        Next::Try if logs_in(open, login)? => return Ok(Outcome::Fits),
        Next::Try | Next::Differs => return Ok(Outcome::Failed(not_ours(record, user))),
        Next::Create => {
            let create = Statement::create_role(name, &login.password, user.superuser);
            session.run(&create)?;
            if !logs_in_soon(open, login)? {
                return Ok(Outcome::Failed(not_ours(record, user)));
            }
            false
        }
        Next::Correct => {
            let admit = Statement::admit_role(name, &login.password, user.superuser);
            session.run(&admit)?;
            true
        }
        Next::Compare if work.sets_password => {
            session.run(&Statement::change_password(name, &login.password))?;
            true
        }
        Next::Compare => false,
    };
    let is_in = !is_told && logs_in(open, login)?;
    if !is_told && !is_in {
        session.run(&Statement::change_password(name, &login.password))?;
    }
    if !is_in && !logs_in_soon(open, login)? {
        return Ok(Outcome::Failed(
            "it has the password of its Secret, and the node remembers the one before (credentials_validity, roles_validity): the next attempt follows".into(),
        ));
    }
    for permission in granted {
        if kept.missing.contains(&permission.on) || has(session, name, &permission)? {
            continue;
        }
        if exists(session, &permission.on)? {
            session.run(&users::statement(&permission, name, true))?;
        } else {
            kept.missing.insert(permission.on);
        }
    }
    Ok(Outcome::Kept(kept))
}

/// Takes permissions back. On what does not exist Cassandra takes none back, and may still have them: they would be there
/// again with a keyspace or table of the name.
fn take_back(session: &mut Session, name: &str, revoked: Vec<Granted>) -> Result<Kept, CqlError> {
    let mut kept = Kept::default();
    for permission in revoked {
        if !has(session, name, &permission)? {
            kept.revoked.insert(permission);
        } else if exists(session, &permission.on)? {
            session.run(&users::statement(&permission, name, false))?;
            kept.revoked.insert(permission);
        } else {
            kept.missing.insert(permission.on);
        }
    }
    Ok(kept)
}

fn not_ours(record: &UserStatus, user: &User) -> String {
    if record.removal.is_some() {
        return format!(
            "it was made for Secret {} and is removed. List that Secret again, drop the role in Cassandra, or choose another username in Secret {}",
            record.secret, user.secret
        );
    }
    let rights = if user.superuser {
        "is a superuser that may log in"
    } else {
        "may log in and is no superuser"
    };
    format!(
        "it exists, and the operator has not made it for Secret {}. The operator takes over a role that {rights}, and that has the password of the Secret: change the role or the Secret, or choose another username",
        user.secret
    )
}

/// The role of a user that the spec no longer has: one that the operator has made cannot log in any more, and what the operator has
/// granted is taken back.
fn remove(session: &mut Session, record: &UserStatus) -> Result<Outcome, Error> {
    if record.origin != Some(UserOrigin::Adopted) {
        session.shut_out(&record.name, || Ok(Statement::shut_out(&record.name)))?;
    }
    let kept = take_back(session, &record.name, users::grants(record, None).0)?;
    Ok(match kept.missing.first() {
        None => Outcome::Removed,
        Some(missing) => Outcome::Waiting(format!(
            "the permissions on {missing}, which does not exist now, are taken back when it does"
        )),
    })
}

fn role(session: &mut Session, name: &str) -> Result<Option<Role>, CqlError> {
    let rows = session.run(&Statement::role(name))?;
    Ok((rows.count() > 0).then(|| Role {
        may_log_in: rows.flag(0) == Some(true),
        is_superuser: rows.flag(1) == Some(true),
    }))
}

/// Whether a role has a permission in Cassandra.
fn has(session: &mut Session, name: &str, granted: &Granted) -> Result<bool, CqlError> {
    let resource = users::resource(&granted.on);
    let rows = session.run(&Statement::permissions(name, &resource))?;
    let Some(row) = rows.text(0) else {
        return Ok(false);
    };
    let row: GrantedRow = serde_json::from_str(&row)
        .map_err(|_| CqlError::Malformed("a row of role_permissions is no JSON"))?;
    let permission = granted.permission.as_str();
    Ok(row.permissions.is_some_and(|all| all.contains(permission)))
}

fn exists(session: &mut Session, on: &GrantTarget) -> Result<bool, CqlError> {
    let Some(keyspace) = &on.keyspace else {
        return Ok(true);
    };
    let look = Statement::resource(keyspace, on.table.as_deref());
    Ok(session.run(&look)?.count() > 0)
}

fn logs_in(open: Open<'_>, login: &Login) -> Result<bool, CqlError> {
    match open(login) {
        Ok(_) => Ok(true),
        Err(CqlError::Refused(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The same, as soon as the node has forgotten what it remembers of the role.
fn logs_in_soon(open: Open<'_>, login: &Login) -> Result<bool, CqlError> {
    let until = Instant::now() + REMEMBERS;
    loop {
        if logs_in(open, login)? {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        thread::sleep(AGAIN);
    }
}
