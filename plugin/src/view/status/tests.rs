//! Whole pictures of clusters in different states.

use casskop_common::api::{
    CassandraCluster, ClientMode, InternodeMode, RestorePhase, RestoreStatus,
};

use super::*;
use crate::{terminal::colors::Color, view::options::View};

fn picture(yaml: &str, wide: bool, color: Color) -> String {
    let cluster: CassandraCluster = serde_saphyr::from_str(yaml).unwrap();
    let now = "2026-11-22T17:05:18Z".parse().unwrap();
    render(
        &cluster,
        View {
            now,
            wide,
            style: Style::new(color, false),
        },
    )
    .whole()
}

macro_rules! picture {
    ($name:ident, $fixture:literal, $wide:literal, $color:ident) => {
        #[test]
        fn $name() {
            let yaml = include_str!(concat!("../../../tests/fixtures/", $fixture));
            insta::assert_snapshot!(picture(yaml, $wide, Color::$color));
        }
    };
}

picture!(three_racks_as_they_should_be, "healthy.yaml", false, Never);
picture!(
    host_ids_and_addresses_when_wide,
    "healthy.yaml",
    true,
    Never
);
picture!(
    a_node_joins_and_another_is_down,
    "growing.yaml",
    false,
    Never
);
picture!(
    colours_only_repeat_what_words_say,
    "growing.yaml",
    false,
    Always
);
picture!(
    a_cleanup_runs_and_requests_wait,
    "operating.yaml",
    false,
    Never
);
picture!(
    every_node_of_an_operation_when_wide,
    "operating.yaml",
    true,
    Never
);
picture!(a_failed_cleanup_is_one_line, "failed.yaml", false, Never);
picture!(nothing_reported_yet, "new.yaml", false, Never);

#[test]
fn annotations_that_are_only_counted_are_counted() {
    let yaml = include_str!("../../../tests/fixtures/healthy.yaml");
    let mut cluster: CassandraCluster = serde_saphyr::from_str(yaml).unwrap();
    let annotations = (0..203).map(|n| {
        (
            format!("operations.db.orange.com/no-kind-{n:03}"),
            "a".into(),
        )
    });
    cluster.metadata.annotations = Some(annotations.collect());
    let view = View {
        now: "2026-11-22T17:05:18Z".parse().unwrap(),
        wide: false,
        style: Style::new(Color::Never, false),
    };
    let lines = crate::view::operations::not_recorded(&cluster, view);
    assert_eq!(lines.len(), 1 + 200 + 1);
    assert_eq!(lines.last().unwrap(), "  and 3 more not understood");
}

/// In the middle of a change of the encryption.
#[test]
fn the_encryption_that_each_node_was_started_with_where_there_is_any() {
    let mut cluster: CassandraCluster =
        serde_saphyr::from_str(include_str!("../../../tests/fixtures/healthy.yaml")).unwrap();
    let tls = serde_json::json!({ "internode": { "mode": "Required" } });
    cluster.spec.tls = serde_json::from_value(tls).unwrap();
    let nodes = &mut cluster.status.as_mut().unwrap().cassandra_node_status;
    let first = nodes.values_mut().next().unwrap();
    first.internode_tls = Some(InternodeMode::Optional);
    // `tls.client` was removed from the spec.
    first.client_tls = Some(ClientMode::Optional);
    let view = View {
        now: "2026-11-22T17:05:18Z".parse().unwrap(),
        wide: false,
        style: Style::new(Color::Never, false),
    };
    insta::assert_snapshot!(render(&cluster, view).nodes);
}

#[test]
fn how_far_a_restore_is() {
    let mut cluster: CassandraCluster =
        serde_saphyr::from_str(include_str!("../../../tests/fixtures/new.yaml")).unwrap();
    let mut restore = RestoreStatus {
        cluster: "old".into(),
        uid: "u".into(),
        backup: "b1".into(),
        phase: RestorePhase::Fetching,
        nodes: 3,
        done: 2,
    };
    let view = View {
        now: "2026-11-22T17:05:18Z".parse().unwrap(),
        wide: false,
        style: Style::new(Color::Never, false),
    };
    for (phase, line) in [
        (
            RestorePhase::Fetching,
            "Restore of backup b1 of cluster old: 2 of 3 nodes have their files.",
        ),
        (
            RestorePhase::Starting,
            "Restore of backup b1 of cluster old: all nodes have their files, and start.",
        ),
        (
            RestorePhase::Restored,
            "Restored from backup b1 of cluster old.",
        ),
    ] {
        restore.phase = phase;
        cluster.status.get_or_insert_default().restore = Some(restore.clone());
        let header = render(&cluster, view).header;
        assert!(header.lines().any(|found| found == line), "{header}");
    }
}
