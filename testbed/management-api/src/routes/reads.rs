//! Reads: what Cassandra says, in the forms of the server.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    agent::PATIENCE,
    gossip,
    http::{Answer, Kind, Request},
    jmx::{Failure, Jmx, STORAGE},
    routes::{Reply, refused, silent},
    server::Server,
    snapshots as disk,
    wrapped::wrapped,
};

/// Asks Cassandra, and writes the value.
fn read<T: Send + 'static>(
    server: &Server,
    (kind, method): (Kind, &str),
    ask: impl FnOnce(&Jmx) -> Result<T, Failure> + Send + 'static,
    write: impl FnOnce(T) -> Answer,
) -> Reply {
    match server.connection.ask(Some(PATIENCE), ask) {
        Ok(Ok(value)) => Ok(write(value)),
        Ok(Err(why)) => Err(refused(kind, method, &why)),
        Err(silence) => Err(silent(kind, &silence)),
    }
}

fn json_of(value: &Value) -> Answer {
    Answer::json(200, value)
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

pub fn endpoints(server: &Server, _: &Request) -> Reply {
    read(
        server,
        (Kind::Json, "getEndpointStates"),
        gossip::endpoints,
        |found| json_of(&wrapped(&found)),
    )
}

pub fn release(server: &Server, _: &Request) -> Reply {
    let ask = |jmx: &Jmx| jmx.read(STORAGE, "ReleaseVersion");
    read(server, (Kind::Plain, "getReleaseVersion"), ask, |version| {
        Answer::plain(200, version.as_str().unwrap_or_default())
    })
}

/// The list is a constant of the server; only the version comes from the node.
pub fn features(server: &Server, _: &Request) -> Reply {
    let ask = |jmx: &Jmx| jmx.read(STORAGE, "ReleaseVersion");
    read(server, (Kind::Json, "getReleaseVersion"), ask, |version| {
        json_of(&json!({
            "cassandra_version": version,
            "mgmt_version": "",
            "features": [
                "async_sstable_tasks", "full_query_logging", "rebuild", "async_upgrade_sstable_task",
                "async_compaction_task", "async_scrub_task", "async_move_task", "async_gc_task",
                "reload_internode_truststore", "async_flush_task",
            ],
        }))
    })
}

pub fn local_dc(server: &Server, _: &Request) -> Reply {
    let ask = |jmx: &Jmx| {
        jmx.read(
            "org.apache.cassandra.db:type=EndpointSnitchInfo",
            "Datacenter",
        )
    };
    read(server, (Kind::Plain, "getLocalDataCenter"), ask, |dc| {
        Answer::plain(200, dc.as_str().unwrap_or_default())
    })
}

pub fn keyspaces(server: &Server, request: &Request) -> Reply {
    let wanted = request.parameter("keyspaceName").map(str::to_owned);
    let ask = |jmx: &Jmx| jmx.read(STORAGE, "Keyspaces");
    read(server, (Kind::Json, "getKeyspaces"), ask, |found| {
        let mut names = texts(&found);
        names.retain(|name| wanted.as_ref().is_none_or(|wanted| wanted == name));
        json_of(&json!(names))
    })
}

/// The answer of an operation about a keyspace; nothing if there is none of the name.
fn of_keyspace(
    operation: &'static str,
    keyspace: String,
) -> impl FnOnce(&Jmx) -> Result<Option<Value>, Failure> + Send {
    move |jmx| {
        if !texts(&jmx.read(STORAGE, "Keyspaces")?).contains(&keyspace) {
            return Ok(None);
        }
        let found = jmx.exec(operation, &["String"], &json!([keyspace]))?;
        Ok(Some(found))
    }
}

pub fn replication(server: &Server, request: &Request) -> Reply {
    const FAILED: &str = "Get keyspace replication failed.";
    let Some(keyspace) = request.parameter("keyspaceName").map(str::to_owned) else {
        let why = format!("{FAILED} Non-empty 'keyspaceName' must be provided");
        return Err(Answer::plain(400, why));
    };
    let ask = of_keyspace("getKeyspaceReplicationInfo", keyspace.clone());
    read(
        server,
        (Kind::Json, "getReplication"),
        ask,
        |found| match found {
            None => Answer::plain(
                404,
                format!("{FAILED} Keyspace '{keyspace}' does not exist."),
            ),
            Some(found) => json_of(&options(found.as_str().unwrap_or_default())),
        },
    )
}

/// The options in `NetworkTopologyStrategy {dc1=2}`, with the full name of the class.
fn options(text: &str) -> Value {
    let (class, factors) = text.split_once(['{', ' ']).unwrap_or((text, ""));
    let factors = factors.trim_matches([' ', '{', '}']).split(',');
    let factors = factors.filter_map(|pair| pair.split_once('='));
    let mut options: Map<String, Value> = factors
        .map(|(name, factor)| (name.trim().to_owned(), json!(factor.trim())))
        .collect();
    options.insert(
        "class".into(),
        json!(format!("org.apache.cassandra.locator.{}", class.trim())),
    );
    Value::Object(options)
}

pub fn schema_versions(server: &Server, _: &Request) -> Reply {
    let ask = |jmx: &Jmx| {
        jmx.read(
            "org.apache.cassandra.db:type=StorageProxy",
            "SchemaVersions",
        )
    };
    read(server, (Kind::Json, "getSchemaVersions"), ask, |found| {
        json_of(&found)
    })
}

/// `{[start, end]=[endpoints]}`: the key of the map is the text of a list.
pub fn ranges(server: &Server, request: &Request) -> Reply {
    let Some(keyspace) = request.parameter("keyspaceName").map(str::to_owned) else {
        return Err(Answer::json(404, "keyspace not found"));
    };
    let ask = of_keyspace("getRangeToEndpointMap", keyspace);
    read(
        server,
        (Kind::Json, "getRangeToEndpointMap"),
        ask,
        |found| {
            let Some(found) = found else {
                return Answer::json(404, "keyspace not found");
            };
            let found = found.as_object().into_iter().flatten();
            let ranges = found.filter_map(|(range, endpoints)| {
                let (start, end) = range.trim_matches(['[', ']']).split_once(',')?;
                let (start, end): (i64, i64) =
                    (start.trim().parse().ok()?, end.trim().parse().ok()?);
                Some(json!({ "tokens": [start, end], "endpoints": endpoints }))
            });
            json_of(&json!({ "token_range_to_endpoints": ranges.collect::<Vec<_>>() }))
        },
    )
}

pub fn compactions(server: &Server, _: &Request) -> Reply {
    let ask = |jmx: &Jmx| {
        jmx.read(
            "org.apache.cassandra.db:type=CompactionManager",
            "Compactions",
        )
    };
    read(server, (Kind::Json, "getCompactions"), ask, |found| {
        let tasks = found.as_array().into_iter().flatten().map(|task| {
            let text = |name: &str| task[name].as_str();
            let number = |name: &str| text(name).and_then(|number| number.parse::<i64>().ok());
            json!({
                "id": text("id"), "keyspace": text("keyspace"), "columnfamily": text("columnfamily"),
                "completed": number("completed"), "total": number("total"),
                "taskType": text("taskType"), "unit": text("unit"), "compactionId": text("compactionId"),
                "sstables": text("sstables"), "targetDirectory": text("targetDirectory"),
                "operationType": null, "operationId": null, "description": null,
            })
        });
        json_of(&tasks.collect())
    })
}

/// One object for each session of a plan; numbers are texts.
pub fn streams(server: &Server, _: &Request) -> Reply {
    let ask = |jmx: &Jmx| {
        jmx.read(
            "org.apache.cassandra.net:type=StreamManager",
            "CurrentStreams",
        )
    };
    read(server, (Kind::Json, "getStreamInfo"), ask, |found| {
        let plans = found.as_array().into_iter().flatten().map(|plan| {
            let sessions = plan["sessions"].as_array().into_iter().flatten();
            let sessions: Vec<Value> = sessions.map(|session| stream(plan, session)).collect();
            let id = plan["planId"].as_str().unwrap_or_default().to_owned();
            json!(BTreeMap::from([(id, sessions)]))
        });
        json_of(&wrapped(&plans.collect()))
    })
}

fn stream(plan: &Value, session: &Value) -> Value {
    let sum = |list: &str, field: &str| {
        let all = session[list].as_array().into_iter().flatten();
        let sum: i64 = all.filter_map(|one| one[field].as_i64()).sum();
        sum.to_string()
    };
    json!({
        "STREAM_OPERATION": plan["description"],
        "PEER": session["peer"],
        "USING_CONNECTION": session["connecting"],
        "TOTAL_FILES_TO_RECEIVE": sum("receivingSummaries", "files"),
        "TOTAL_SIZE_TO_RECEIVE": sum("receivingSummaries", "totalSize"),
        "TOTAL_SIZE_RECEIVED": sum("receivingFiles", "currentBytes"),
        "TOTAL_FILES_TO_SEND": sum("sendingSummaries", "files"),
        "TOTAL_SIZE_TO_SEND": sum("sendingSummaries", "totalSize"),
        "TOTAL_SIZE_SENT": sum("sendingFiles", "currentBytes"),
    })
}

pub fn snapshots(server: &Server, request: &Request) -> Reply {
    let all = |name: &str| request.all(name).map(str::to_owned).collect::<Vec<_>>();
    let (names, keyspaces) = (all("snapshotNames"), all("keyspaces"));
    let ask = move |_: &Jmx| Ok(disk::list(&names, &keyspaces));
    read(server, (Kind::Json, "getSnapshotDetails"), ask, |found| {
        json_of(&wrapped(&found))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replication_has_the_full_name_of_the_class() {
        assert_eq!(
            options("NetworkTopologyStrategy {dc1=3, dc2=3/1}"),
            json!({ "class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "dc1": "3", "dc2": "3/1" })
        );
        assert_eq!(
            options("LocalStrategy {}"),
            json!({ "class": "org.apache.cassandra.locator.LocalStrategy" })
        );
    }
}
