//! The calls, for tests of every transport.

use casskop_core::node::Call;

/// One of each call, with all that it may have.
pub(crate) fn every_call() -> Vec<Call> {
    let keyspace = || "orders".to_owned();
    let tables = || vec!["t".to_owned()];
    vec![
        Call::Cleanup {
            keyspace: keyspace(),
            tables: vec!["t1".into()],
            jobs: 2,
        },
        Call::Flush {
            keyspace: keyspace(),
            tables: tables(),
        },
        Call::Compact {
            keyspace: keyspace(),
            tables: tables(),
            split: true,
        },
        Call::GarbageCollect {
            keyspace: keyspace(),
            tables: tables(),
            cells: true,
            jobs: 2,
        },
        Call::Scrub {
            keyspace: keyspace(),
            tables: tables(),
            skip_corrupted: true,
            snapshot: true,
            jobs: 2,
        },
        Call::UpgradeSsTables {
            keyspace: keyspace(),
            tables: tables(),
            include_all: true,
            jobs: 2,
        },
        Call::Relocate {
            keyspace: keyspace(),
            tables: tables(),
            jobs: 2,
        },
        Call::Refresh {
            keyspace: keyspace(),
            table: "t".into(),
        },
        Call::Repair {
            keyspace: keyspace(),
            tables: tables(),
            full: true,
            primary_range: true,
            parallelism: "parallel",
        },
        Call::StopRepairs,
        Call::Snapshot {
            keyspace: keyspace(),
            tables: tables(),
            name: "kept".into(),
            ttl: Some("12h".into()),
            skip_flush: false,
        },
        Call::ClearSnapshot {
            keyspaces: vec![keyspace()],
            name: "kept".into(),
        },
        Call::Rebuild {
            from_dc: "dc1".into(),
            keyspace: Some("orders".into()),
        },
        Call::RemoveNode {
            host_id: "6799ee6c-3588-4dfa-9842-091edc5e9706".into(),
        },
        Call::StopTask {
            id: "00000000-0000-0000-0000-000000000001".into(),
        },
        Call::Drain,
        Call::Decommission { force: true },
    ]
}
