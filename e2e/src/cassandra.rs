//! The state that Cassandra reports: log, ring, rows.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::json;

use crate::{
    command::{self, Output},
    kubectl::Kubectl,
    wait::until,
};

/// A cleanup as recorded in the log of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleanup {
    /// The keyspace.
    pub keyspace: String,
    /// The requested tables; empty is all of them.
    pub tables: String,
    /// The start time as in the log; sorts as text.
    pub began: String,
    /// The end time and the result.
    pub ended: Option<(String, String)>,
}

impl Cleanup {
    /// Whether the cleanup succeeded.
    pub fn is_done(&self) -> bool {
        self.ended
            .as_ref()
            .is_some_and(|(_, how)| how == "SUCCESSFUL")
    }
}

/// The log of a node.
pub fn log(kubectl: &Kubectl, pod: &str) -> String {
    kubectl.ok(&["logs", pod, "-c", "cassandra"])
}

/// The cleanups in the log of a node, in the order of their start.
pub fn cleanups(log: &str) -> Vec<Cleanup> {
    let mut found: Vec<Cleanup> = Vec::new();
    // A thread runs its cleanups one after the other, so its next end belongs to its last start.
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for line in log.lines() {
        let Some((thread, at, message)) = parts(line) else {
            continue;
        };
        if let Some(what) = message.strip_prefix("Starting Cleanup on ") {
            let (keyspace, tables) = what.split_once('.').unwrap_or((what, ""));
            open.insert(thread, found.len());
            found.push(Cleanup {
                keyspace: keyspace.to_owned(),
                tables: tables.trim_matches(['[', ']']).to_owned(),
                began: at.to_owned(),
                ended: None,
            });
        } else if let Some(how) = message.strip_prefix("Completed Cleanup with status ")
            && let Some(index) = open.remove(thread)
        {
            found[index].ended = Some((at.to_owned(), how.trim().to_owned()));
        }
    }
    found
}

/// Tables with a user-requested flush, as `keyspace.table`, from the log of a node.
pub fn flushes(log: &str) -> Vec<String> {
    let messages = log.lines().filter_map(|line| Some(parts(line)?.2));
    messages
        .filter_map(|message| {
            let (table, reason) = message
                .strip_prefix("Enqueuing flush of ")?
                .split_once(',')?;
            reason
                .contains("USER_FORCED")
                .then(|| table.trim().to_owned())
        })
        .collect()
}

/// Thread, time and message of `INFO  [thread] 2026-11-22 20:35:47,397 File.java:1 - message`.
fn parts(line: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = line.split_once('[')?;
    let (thread, rest) = rest.split_once("] ")?;
    let (head, message) = rest.split_once(" - ")?;
    let at = head.rsplit_once(' ')?.0;
    Some((thread, at, message))
}

/// Runs statements on one node and returns the rows as `column=value` lines.
pub fn cql(kubectl: &Kubectl, pod: &str, consistency: &str, statements: &[&str]) -> Output {
    let output = try_cql(kubectl, pod, consistency, statements);
    output.unwrap_or_else(|| panic!("{pod} has no address"))
}

/// The same; nothing while the pod does not exist or has no address.
pub fn try_cql(
    kubectl: &Kubectl,
    pod: &str,
    consistency: &str,
    statements: &[&str],
) -> Option<Output> {
    let mut command = client(kubectl, pod)?;
    command.env("CQL_CONSISTENCY", consistency).args(statements);
    Some(command::run(command, ""))
}

/// The name and the password of a role.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    /// Name of the role.
    pub user: &'static str,
    /// Its password.
    pub password: &'static str,
}

/// Runs statements on one node as a role; nothing while the pod does not exist or has no address.
pub fn login(kubectl: &Kubectl, pod: &str, login: Login, statements: &[&str]) -> Option<Output> {
    let mut command = client(kubectl, pod)?;
    command
        .env("CQL_USER", login.user)
        .env("CQL_PASSWORD", login.password)
        .args(statements);
    Some(command::run(command, ""))
}

/// The same for a pod that has an address.
pub fn try_login(kubectl: &Kubectl, pod: &str, role: Login, statements: &[&str]) -> Output {
    let output = login(kubectl, pod, role, statements);
    output.unwrap_or_else(|| panic!("{pod} has no address"))
}

/// Writes the Secret of a role.
pub fn put_login(kubectl: &Kubectl, secret: &str, login: Login) {
    kubectl.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": secret },
        "stringData": { "username": login.user, "password": login.password },
    }));
}

/// A client over TLS.
#[derive(Clone, Copy, Debug)]
pub struct TlsClient<'a> {
    /// File with the authorities that the client trusts.
    pub authorities: &'a Path,
    /// The name by which it verifies a node.
    pub name: &'a str,
    /// Files with the certificate that it shows, and with its key.
    pub own: Option<(&'a Path, &'a Path)>,
}

/// Runs statements on one node over TLS.
pub fn encrypted_cql(
    kubectl: &Kubectl,
    pod: &str,
    tls: TlsClient<'_>,
    statements: &[&str],
) -> Output {
    let command = client(kubectl, pod);
    let mut command = command.unwrap_or_else(|| panic!("{pod} has no address"));
    command
        .env("CQL_CA", tls.authorities)
        .env("CQL_NAME", tls.name)
        .args(statements);
    if let Some((certificate, key)) = tls.own {
        command.env("CQL_CERT", certificate).env("CQL_KEY", key);
    }
    command::run(command, "")
}

/// The command of a client of one node; nothing while the pod does not exist or has no address.
fn client(kubectl: &Kubectl, pod: &str) -> Option<Command> {
    let pod = kubectl.get("pod", pod)?;
    let address = pod["status"]["podIP"].as_str()?;
    let mut command = kubectl.site.inside("cql");
    command.arg(address);
    Some(command)
}

/// Runs repeatable statements on every replica, with retries: on a busy machine a node may be reported as down for a
/// moment.
pub fn write(kubectl: &Kubectl, pod: &str, statements: &[&str]) {
    until("the statements to be carried out by every replica", || {
        let output = cql(kubectl, pod, "ALL", statements);
        if output.code == 0 {
            Ok(())
        } else {
            Err(output.to_string())
        }
    });
}

/// Creates keyspaces with a table `t` each, replicated to three nodes of `dc1`, with some rows.
pub fn fill(kubectl: &Kubectl, pod: &str, keyspaces: &[String]) {
    let mut statements = Vec::new();
    for keyspace in keyspaces {
        statements.push(format!(
            "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', 'dc1': 3}}"
        ));
        statements.push(format!(
            "CREATE TABLE IF NOT EXISTS {keyspace}.t (id int PRIMARY KEY, text text)"
        ));
        statements.extend((0..20).map(|id| {
            format!("INSERT INTO {keyspace}.t (id, text) VALUES ({id}, 'row {id} of {keyspace}')")
        }));
    }
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    write(kubectl, pod, &statements);
}

/// The nodes in the output of `nodetool status` in a pod: address, state (`UN`…), host id, rack.
pub fn nodetool_status(kubectl: &Kubectl, pod: &str) -> Vec<[String; 4]> {
    nodes(&run_nodetool_status(kubectl, pod).ok())
}

/// The same for a node that may not be a member yet.
///
/// # Errors
/// The output of the failed command.
pub fn try_nodetool_status(kubectl: &Kubectl, pod: &str) -> Result<Vec<[String; 4]>, String> {
    let output = run_nodetool_status(kubectl, pod);
    match output.code {
        0 => Ok(nodes(&output.stdout)),
        _ => Err(output.stderr),
    }
}

fn run_nodetool_status(kubectl: &Kubectl, pod: &str) -> Output {
    kubectl.run(&["exec", pod, "-c", "cassandra", "--", "nodetool", "status"])
}

fn nodes(text: &str) -> Vec<[String; 4]> {
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|words| words.len() >= 7 && words[0].len() == 2 && words[1].contains('.'))
        .map(|words| {
            let last = words.len() - 1;
            [words[1], words[0], words[last - 1], words[last]].map(str::to_owned)
        })
        .collect()
}

/// The metrics of a node, through the API server.
///
/// # Errors
/// The answer of kubectl.
pub fn scrape(kubectl: &Kubectl, pod: &str) -> Result<String, String> {
    let namespace = &kubectl.namespace;
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:9500/proxy/metrics");
    let answer = kubectl.run(&["get", "--raw", &path]);
    if answer.code == 0 {
        Ok(answer.stdout)
    } else {
        Err(answer.stderr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleanups_are_read_from_a_log() {
        let log = "\
INFO  [jolokia-1] 2026-11-22 20:35:47,384 StorageService.java:4163 - Starting Cleanup on orders.[]
INFO  [jolokia-1] 2026-11-22 20:35:47,389 CompactionManager.java:433 - Starting Cleanup for orders.events
INFO  [jolokia-2] 2026-11-22 20:35:47,390 StorageService.java:4163 - Starting Cleanup on users.[t, u]
INFO  [jolokia-1] 2026-11-22 20:35:47,397 StorageService.java:4170 - Completed Cleanup with status SUCCESSFUL
INFO  [main] 2026-11-22 20:35:47,398 ColumnFamilyStore.java:1 - Enqueuing flush of orders.t, Reason: USER_FORCED, Usage: 1
";
        let found = cleanups(log);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].keyspace, "orders");
        assert_eq!(found[0].tables, "");
        assert!(found[0].is_done());
        assert_eq!(found[0].began, "2026-11-22 20:35:47,384");
        assert_eq!(found[1].tables, "t, u");
        assert!(!found[1].is_done());
        assert_eq!(flushes(log), ["orders.t"]);
    }
}
