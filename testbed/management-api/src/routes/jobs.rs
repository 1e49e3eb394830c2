//! Long work: the answer is the id of a job.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    agent::PATIENCE,
    http::{Answer, Kind, Request},
    jmx::{Jmx, STORAGE, TEXTS},
    jobs::Work,
    routes::{Reply, body, refused, silent},
    server::Server,
};

/// Keyspaces that a cleanup does nothing for.
const LOCAL: [&str; 2] = ["system", "system_schema"];

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct KeyspaceRequest {
    keyspace_name: String,
    jobs: i32,
    tables: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct CompactRequest {
    keyspace_name: String,
    split_output: bool,
    user_defined: bool,
    tables: Vec<String>,
}

#[expect(clippy::struct_excessive_bools, reason = "the body of a request")]
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ScrubRequest {
    keyspace_name: String,
    tables: Vec<String>,
    jobs: i32,
    disable_snapshot: bool,
    skip_corrupted: bool,
    check_data: bool,
    reinsert_overflowed_ttl: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepairRequest {
    keyspace: String,
    #[serde(default)]
    tables: Vec<String>,
    #[serde(default)]
    full_repair: bool,
    #[serde(default)]
    repair_parallelism: Parallelism,
    #[serde(default = "one")]
    repair_thread_count: i32,
    #[serde(default)]
    datacenters: Vec<String>,
    #[serde(default)]
    associated_tokens: Vec<Range>,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
enum Parallelism {
    #[default]
    Sequential,
    Parallel,
    DcParallel,
}

#[derive(Deserialize)]
struct Range {
    start: i64,
    end: i64,
}

fn one() -> i32 {
    1
}

/// Whether Cassandra answers, and what it says.
fn ask(
    server: &Server,
    kind: Kind,
    look: fn(&Jmx) -> Result<Value, crate::jmx::Failure>,
) -> Result<Value, Answer> {
    match server.connection.ask(Some(PATIENCE), look) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(why)) => Err(refused(kind, "getKeyspaces", &why)),
        Err(silence) => Err(silent(kind, &silence)),
    }
}

fn keyspaces(jmx: &Jmx) -> Result<Value, crate::jmx::Failure> {
    jmx.read(STORAGE, "Keyspaces")
}

/// Submits work while there is a connection.
fn submit(server: &Server, work: Work) -> Reply {
    ask(server, Kind::Plain, keyspaces)?;
    Ok(Answer::plain(202, server.jobs.submit(work)))
}

pub fn get(server: &Server, request: &Request) -> Reply {
    ask(server, Kind::Json, keyspaces)?;
    let id = request.parameter("job_id");
    let id = id.ok_or_else(|| refused(Kind::Json, "getJobStatus", "no job_id"))?;
    let job = server.jobs.get(id).ok_or(Answer::json(404, "{}"))?;
    Ok(Answer::json(200, &job))
}

pub fn cleanup(server: &Server, request: &Request) -> Reply {
    let asked: KeyspaceRequest = body(Kind::Plain, request)?;
    if LOCAL.contains(&asked.keyspace_name.as_str()) {
        return Ok(Answer::plain(200, "OK"));
    }
    let arguments = json!([asked.jobs, asked.keyspace_name, asked.tables]);
    let work = Work {
        kind: "CLEANUP",
        operation: ("forceKeyspaceCleanup", &["int", "String", TEXTS], arguments),
    };
    submit(server, work)
}

/// The only call that looks for the keyspace first.
pub fn flush(server: &Server, request: &Request) -> Reply {
    let asked: KeyspaceRequest = body(Kind::Plain, request)?;
    let keyspace = &asked.keyspace_name;
    let known = ask(server, Kind::Plain, keyspaces)?;
    let mut known = known.as_array().into_iter().flatten();
    if !known.any(|name| name == keyspace.as_str()) {
        return Err(Answer::plain(
            400,
            format!("keyspace {keyspace} does not exists"),
        ));
    }
    let work = Work {
        kind: "FLUSH",
        operation: (
            "forceKeyspaceFlush",
            &["String", TEXTS],
            json!([keyspace, asked.tables]),
        ),
    };
    submit(server, work)
}

pub fn compact(server: &Server, request: &Request) -> Reply {
    let asked: CompactRequest = body(Kind::Plain, request)?;
    if asked.user_defined {
        return Err(Answer::plain(
            400,
            "user_defined is not part of this stand-in",
        ));
    }
    let arguments = json!([asked.split_output, asked.keyspace_name, asked.tables]);
    let work = Work {
        kind: "COMPACTION",
        operation: (
            "forceKeyspaceCompaction",
            &["boolean", "String", TEXTS],
            arguments,
        ),
    };
    submit(server, work)
}

pub fn garbage_collect(server: &Server, request: &Request) -> Reply {
    let asked: KeyspaceRequest = body(Kind::Plain, request)?;
    let option = request.parameter("tombstoneOption").unwrap_or("ROW");
    if !["ROW", "CELL"].contains(&option) {
        return Err(Answer::plain(
            400,
            "tombstoneOption must be either ROW or CELL",
        ));
    }
    let arguments = json!([option, asked.jobs, asked.keyspace_name, asked.tables]);
    let work = Work {
        kind: "GARBAGE_COLLECT",
        operation: (
            "garbageCollect",
            &["String", "int", "String", TEXTS],
            arguments,
        ),
    };
    submit(server, work)
}

pub fn scrub(server: &Server, request: &Request) -> Reply {
    let asked: ScrubRequest = body(Kind::Plain, request)?;
    let arguments = json!([
        asked.disable_snapshot,
        asked.skip_corrupted,
        asked.check_data,
        asked.reinsert_overflowed_ttl,
        asked.jobs,
        asked.keyspace_name,
        asked.tables
    ]);
    let types = &[
        "boolean", "boolean", "boolean", "boolean", "int", "String", TEXTS,
    ];
    let work = Work {
        kind: "SCRUB",
        operation: ("scrub", types, arguments),
    };
    submit(server, work)
}

pub fn upgrade(server: &Server, request: &Request) -> Reply {
    let asked: KeyspaceRequest = body(Kind::Plain, request)?;
    let only_old = request.parameter("excludeCurrentVersion") == Some("true");
    let arguments = json!([asked.keyspace_name, only_old, asked.jobs, asked.tables]);
    let work = Work {
        kind: "UPGRADE_SSTABLES",
        operation: (
            "upgradeSSTables",
            &["String", "boolean", "int", TEXTS],
            arguments,
        ),
    };
    submit(server, work)
}

pub fn rebuild(server: &Server, request: &Request) -> Reply {
    let work = Work {
        kind: "rebuild",
        operation: ("rebuild", &["String"], json!([request.parameter("src_dc")])),
    };
    submit(server, work)
}

pub fn decommission(server: &Server, request: &Request) -> Reply {
    let force = request.parameter("force") == Some("true");
    let work = Work {
        kind: "decommission",
        operation: ("decommission", &["boolean"], json!([force])),
    };
    submit(server, work)
}

/// The job is made after the repair was begun. There is no option for primary ranges.
pub fn repair(server: &Server, request: &Request) -> Reply {
    let asked: RepairRequest = body(Kind::Json, request)?;
    // The agent reads the options before Cassandra decides whether there is anything to repair.
    if asked.repair_thread_count < 1 {
        return Err(refused(
            Kind::Json,
            "repair",
            "the number of threads must be positive",
        ));
    }
    let arguments = json!([asked.keyspace, options(&asked)]);
    let begin = move |jmx: &Jmx| jmx.exec("repairAsync", &["String", "Map"], &arguments);
    match server.connection.ask(Some(PATIENCE), begin) {
        Ok(Ok(number)) => {
            let id = server
                .jobs
                .follow_repair(number.as_i64().unwrap_or_default());
            Ok(Answer::json(202, &json!({ "repair_id": id })))
        }
        Ok(Err(why)) => Err(refused(Kind::Json, "repair", &why)),
        Err(silence) => Err(silent(Kind::Json, &silence)),
    }
}

fn options(asked: &RepairRequest) -> Value {
    let parallelism = match asked.repair_parallelism {
        // An incremental repair is always parallel.
        _ if !asked.full_repair => "parallel",
        Parallelism::Sequential => "sequential",
        Parallelism::Parallel => "parallel",
        Parallelism::DcParallel => "dc_parallel",
    };
    let mut options = json!({
        "parallelism": parallelism,
        "primaryRange": "false",
        "incremental": (!asked.full_repair).to_string(),
        "jobThreads": asked.repair_thread_count.to_string(),
        "trace": "false",
    });
    let ranges = asked.associated_tokens.iter();
    let ranges: Vec<String> = ranges
        .map(|range| format!("{}:{}", range.start, range.end))
        .collect();
    let lists = [
        ("columnFamilies", &asked.tables),
        ("dataCenters", &asked.datacenters),
        ("ranges", &ranges),
    ];
    for (name, list) in lists {
        if !list.is_empty() {
            options[name] = json!(list.join(","));
        }
    }
    options
}
