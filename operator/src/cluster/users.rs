//! The roles of applications follow `spec.authentication.users` and their Secrets, by the superuser: each on its own, so that one
//! that cannot be made holds up no other. Each part may be repeated.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use casskop_common::api::{GrantTarget, User, UserOrigin, UserStatus};
use casskop_core::{
    desired::Desired,
    node::Statement,
    plan::Plan,
    users::{self, Kept, Next, Outcome, Role},
};

use crate::{
    cluster::{
        observe::Observation,
        superuser::{AGAIN, Error, Open, REMEMBERS, addresses, exchange, log_in, uid},
    },
    effects::Effects,
    node_api::cql::{About, CqlError, Inputs, Login, Look, Looks, Session},
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

/// A role to look at.
#[derive(Clone)]
struct Work {
    inputs: Inputs,
    /// Whether the password is set even where it is accepted: Cassandra may remember it, and have another one by now.
    sets_password: bool,
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
    // The record comes first. A replica without the roles could say that there is no role of a name.
    let replicas = plan.status.role_replicas.as_ref();
    let are_whole = replicas.is_none_or(|replicas| replicas.repaired && replicas.next.is_none());
    let superuser = observed.superuser.accepted();
    let superuser = superuser.filter(|_| are_whole && plan.status.users == records);
    let (Some(superuser), Some(schema)) = (superuser, observed.state.schema_version()) else {
        return false;
    };
    let work = work(desired, observed, schema, &cql.looks);
    let may_ask = cql.failures.may_ask(&uid, About::Users, Instant::now());
    if plan.login_nodes.is_empty() || work.is_empty() || !may_ask {
        return false;
    }
    let nodes = addresses(desired, observed, plan);
    let made = if nodes.is_empty() {
        Err(Error::NoAddress(plan.login_nodes.join(", ")))
    } else {
        let superuser = superuser.clone();
        let ask = move |open: Open<'_>| each(open, &superuser, &work);
        exchange(effects, nodes, ask).await
    };
    match made {
        Ok(looks) => {
            cql.failures.forget(&uid, About::Users);
            let is_there = |name: &str| records.iter().any(|record| record.name == name);
            cql.looks.keep(&uid, looks, is_there);
        }
        Err(error) => {
            let error = format!("keep the roles of applications: {}", words(error));
            cql.failures
                .failed(&uid, About::Users, Instant::now(), error);
        }
    }
    true
}

/// The recorded roles about which something has changed since the last look, or whose last look has failed.
fn work(desired: &Desired, observed: &Observation, schema: &str, looks: &Looks) -> Vec<Work> {
    let state = &observed.state;
    let looks = looks.of(&uid(observed));
    let (all, now) = (users::users(desired), Instant::now());
    let work = users::recorded(state).iter().filter_map(|record| {
        let user = match &record.secret {
            None => None,
            Some(secret) => Some(wanted(secret, &record.name, all, observed)?),
        };
        let record = UserStatus {
            message: None,
            ..record.clone()
        };
        let last = looks.get(&record.name);
        let password = |inputs: &Inputs| Some(inputs.user.as_ref()?.1.password.clone());
        let mut inputs = Inputs {
            user,
            record,
            schema: schema.to_owned(),
        };
        let sets_password = last.is_some_and(|last| {
            let before = password(&last.inputs);
            before.is_some() && before != password(&inputs)
        });
        if let Some(last) = last {
            let waits = matches!(&last.outcome, Outcome::Kept(kept) if !kept.missing.is_empty());
            if !waits {
                // Only what waits for a keyspace follows the schema.
                inputs.schema.clone_from(&last.inputs.schema);
            }
            if last.holds(&inputs, now) {
                return None;
            }
        }
        Some(Work {
            inputs,
            sets_password,
        })
    });
    work.collect()
}

/// An error without the words about the superuser.
fn words(error: Error) -> String {
    match error {
        Error::Cassandra(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// The user of a Secret, if the Secret still has this name.
fn wanted(secret: &str, name: &str, all: &[User], observed: &Observation) -> Option<(User, Login)> {
    let user = all.iter().find(|user| user.secret == secret)?;
    let login = observed.user_secrets.get(secret)?.as_ref().ok()?;
    let is_its = users::name_of(user, all, &observed.state).is_ok_and(|own| own == name);
    is_its.then(|| (user.clone(), login.clone()))
}

fn each(open: Open<'_>, superuser: &Login, work: &[Work]) -> Result<BTreeMap<String, Look>, Error> {
    let until = Instant::now() + BEGINS;
    let mut looks = BTreeMap::new();
    for work in work {
        if !looks.is_empty() && Instant::now() > until {
            break;
        }
        let (mut session, _) = log_in(open, &[superuser])?;
        let outcome = match one(open, &mut session, work) {
            // Another node may do it, or the next exchange.
            Err(error) if looks.is_empty() && error.may_others() => return Err(error),
            Err(error) if error.may_others() => break,
            Err(error) => Outcome::Failed(words(error)),
            Ok(outcome) => outcome,
        };
        let look = Look {
            inputs: work.inputs.clone(),
            outcome,
            at: Instant::now(),
        };
        looks.insert(work.inputs.record.name.clone(), look);
    }
    Ok(looks)
}

fn one(open: Open<'_>, session: &mut Session, work: &Work) -> Result<Outcome, Error> {
    let record = &work.inputs.record;
    let name = &record.name;
    let role = role(session, name)?;
    let Some((user, login)) = &work.inputs.user else {
        return match role {
            None => Ok(Outcome::Removed),
            Some(_) => remove(session, work),
        };
    };
    let mut is_set = work.sets_password;
    match users::next(record.origin, user.superuser, role) {
        Next::Absent => return Ok(Outcome::Absent),
        Next::Try if logs_in(open, login)? => return Ok(Outcome::Fits),
        Next::Try | Next::Differs => return Ok(Outcome::Failed(not_ours(user.superuser))),
        Next::Create => {
            let create = Statement::create_user(name, &login.password, user.superuser);
            session.run(&create)?;
            // Somebody else may have been faster.
            is_set = false;
        }
        Next::Correct => {
            session.run(&Statement::set_rights(name, user.superuser))?;
            is_set = true;
        }
        Next::Compare => {}
    }
    if is_set || !logs_in(open, login)? {
        session.run(&Statement::change_password(name, &login.password))?;
        if !logs_in_soon(open, login)? {
            return Ok(Outcome::Failed(
                "it has the password of its Secret, and the node remembers the one before (credentials_validity, roles_validity): the next attempt follows".into(),
            ));
        }
    }
    let (revoked, granted) = users::grants(record, Some(user));
    let mut kept = Kept::default();
    for permission in revoked {
        if exists(session, &permission.on)? {
            session.run(&users::statement(&permission, name, false))?;
        }
        kept.revoked.insert(permission);
    }
    for permission in granted {
        if exists(session, &permission.on)? {
            session.run(&users::statement(&permission, name, true))?;
        } else {
            kept.missing.insert(permission.on);
        }
    }
    Ok(Outcome::Kept(kept))
}

fn not_ours(is_superuser: bool) -> String {
    let rights = if is_superuser {
        "is a superuser that may log in"
    } else {
        "may log in and is no superuser"
    };
    format!(
        "it exists, and the operator has not made it. The operator takes over a role that {rights}, and that has the password of its Secret: change the role or the Secret, or choose another username"
    )
}

/// The role of a user that the spec no longer has: what the operator has granted is taken back, and a role that it has made
/// cannot log in any more.
fn remove(session: &mut Session, work: &Work) -> Result<Outcome, Error> {
    let record = &work.inputs.record;
    for permission in users::grants(record, None).0 {
        if exists(session, &permission.on)? {
            session.run(&users::statement(&permission, &record.name, false))?;
        }
    }
    if record.origin == Some(UserOrigin::Created) {
        session.shut_out(&record.name, || Ok(Statement::shut_out(&record.name)))?;
    }
    Ok(Outcome::Removed)
}

fn role(session: &mut Session, name: &str) -> Result<Option<Role>, CqlError> {
    let rows = session.run(&Statement::role(name))?;
    Ok((rows.count() > 0).then(|| Role {
        may_log_in: rows.flag(0) == Some(true),
        is_superuser: rows.flag(1) == Some(true),
    }))
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
