//! Which seeds a node is given. The rule that matters: a node that is not a member yet and counts itself among
//! its seeds does not join the ring, it forms its own (or joins without streaming its data).
//!
//! So a node is its own seed only when it has been a member before, or while the ring is formed for the first
//! time and it is the first node of its rack.

use std::{
    net::ToSocketAddrs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use casskop_common::names;

use super::{Error, RackConfig, files, tokens::Place};

/// Written by the readiness probe when the node was seen to be a member; lost with the volume, as it must be.
pub const JOINED_MARKER: &str = ".casskop-joined";

/// Time between two lookups.
const LOOKUP_EVERY: Duration = Duration::from_millis(200);
/// Time between two lines that say what is waited for.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Seeds of one node.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seeds {
    /// For `cassandra.yaml`.
    pub(super) list: Vec<String>,
    /// Names that need an address before Cassandra may start.
    pub(super) wait_for: Vec<String>,
    /// Whether all of them do, or one is enough.
    pub(super) all: bool,
    /// Where the node is among those that form the ring, if it is one of them.
    pub(super) forms: Option<Place>,
}

/// Whether this node was a member of the ring before, and still has the data of one: the mark, and Cassandra's own
/// tables in the first of the data folders that it will start with.
pub(super) fn has_joined(data: &Path, data_directories: &[String]) -> bool {
    data.join(JOINED_MARKER).exists() && has_tables(data_directories)
}

/// Whether the first of the data folders has Cassandra's own tables.
fn has_tables(data_directories: &[String]) -> bool {
    let first = data_directories.first();
    first.is_some_and(|first| tables(first).is_ok_and(|any| any))
}

/// Whether the volume is a new one: without our mark, and without Cassandra's own tables in any data folder. Where a
/// folder is on another volume, which is not mounted here, nobody can say.
///
/// # Errors
/// When a folder is there and cannot be read: then nobody can say either.
pub(super) fn is_lost(data: &Path, data_directories: &[String]) -> Result<bool, Error> {
    let elsewhere = |folder: &String| !Path::new(folder).starts_with(data);
    if data.join(JOINED_MARKER).exists() || data_directories.iter().any(elsewhere) {
        return Ok(false);
    }
    for folder in data_directories {
        if tables(folder).map_err(files::failed("read", Path::new(folder)))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a data folder has Cassandra's own tables.
fn tables(folder: &str) -> std::io::Result<bool> {
    match std::fs::read_dir(Path::new(folder).join("system")) {
        Ok(mut tables) => Ok(tables.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Decides the seeds of `pod`.
pub(super) fn choose(rack: &RackConfig, pod: &str, joined: bool) -> Seeds {
    let own = names::pod_host(&rack.cluster_name, &rack.namespace, pod);
    let others: Vec<String> = rack
        .seeds
        .iter()
        .filter(|seed| **seed != own)
        .cloned()
        .collect();
    // With seeds elsewhere there is a ring already: it is joined.
    let local = format!(".{}.{}", rack.cluster_name, rack.namespace);
    let alone = rack.seeds.iter().all(|seed| seed.ends_with(&local));
    let forming =
        alone && !rack.formed && names::ordinal(pod) == Some(0) && rack.seeds.contains(&own);
    let own_seed = joined || forming || others.is_empty();
    // While the ring is formed, a seed that another cannot resolve would be left out of its list for good, and
    // two rings could form. Later any member is enough, and after a full stop even none: peers are on disk.
    let (wait_for, all) = match (forming, joined) {
        (true, false) => (others.clone(), true),
        (false, false) => (others.clone(), false),
        (_, true) => (Vec::new(), false),
    };
    let list = if own_seed { rack.seeds.clone() } else { others };
    let forms = (forming && !joined).then(|| place(rack, &own));
    let list = if list.is_empty() { vec![own] } else { list };
    Seeds {
        list,
        wait_for,
        all,
        forms,
    }
}

/// Where a node is among the seeds of a ring that is formed.
fn place(rack: &RackConfig, own: &str) -> Place {
    let dc = format!("{}-{}-", rack.cluster_name, rack.dc);
    let of = |count: usize| u32::try_from(count).unwrap_or_default();
    let before = rack.seeds.iter().take_while(|seed| *seed != own);
    let in_dc = |seed: &&String| seed.starts_with(&dc);
    Place {
        in_dc: of(before.clone().filter(in_dc).count()),
        of_dc: of(rack.seeds.iter().filter(in_dc).count()),
        of_all: of(before.count()),
    }
}

/// Waits until the seeds have addresses. Without end: a node that started without them could form a second ring,
/// and whoever looks at the pod sees this init container say what it waits for.
#[expect(
    clippy::print_stderr,
    reason = "the log of the init container is where people look"
)]
pub(super) fn wait(seeds: &Seeds) {
    let mut said: Option<Instant> = None;
    loop {
        let missing: Vec<&String> = seeds
            .wait_for
            .iter()
            .filter(|name| !resolves(name))
            .collect();
        let enough = if seeds.all {
            missing.is_empty()
        } else {
            missing.len() < seeds.wait_for.len()
        };
        if enough || seeds.wait_for.is_empty() {
            return;
        }
        if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            let which = if seeds.all {
                "these seeds have"
            } else {
                "one of these seeds has"
            };
            let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
            eprintln!("waiting until {which} an address: {}", names.join(", "));
            said = Some(Instant::now());
        }
        thread::sleep(LOOKUP_EVERY);
    }
}

fn resolves(name: &str) -> bool {
    let host = name
        .rsplit_once(':')
        .filter(|(host, _)| !host.contains(':'))
        .map_or(name, |(host, _)| host);
    (host, names::CQL_PORT)
        .to_socket_addrs()
        .is_ok_and(|mut addresses| addresses.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rack(formed: bool, seeds: &[&str]) -> RackConfig {
        RackConfig {
            cluster_name: "demo".into(),
            namespace: "ns".into(),
            dc: "dc1".into(),
            seeds: seeds.iter().map(|pod| format!("{pod}.demo.ns")).collect(),
            formed,
            ..RackConfig::default()
        }
    }

    const FIRST: &str = "demo-dc1-rack1-0";
    const OTHER: &str = "demo-dc1-rack2-0";
    const SECOND: &str = "demo-dc1-rack1-1";

    #[test]
    fn while_forming_the_first_nodes_wait_for_each_other() {
        let seeds = choose(&rack(false, &[FIRST, OTHER]), FIRST, false);
        assert_eq!(
            seeds.list,
            ["demo-dc1-rack1-0.demo.ns", "demo-dc1-rack2-0.demo.ns"]
        );
        assert_eq!(seeds.wait_for, ["demo-dc1-rack2-0.demo.ns"]);
        assert!(seeds.all);
    }

    #[test]
    fn only_those_that_form_the_ring_are_told_their_tokens() {
        let away = "demo-dc2-rack1-0";
        let all = [FIRST, OTHER, away];
        let place = |formed, pod, joined| choose(&rack(formed, &all), pod, joined).forms;
        let told = |in_dc, of_dc, of_all| {
            Some(Place {
                in_dc,
                of_dc,
                of_all,
            })
        };
        assert_eq!(place(false, FIRST, false), told(0, 2, 0));
        assert_eq!(place(false, OTHER, false), told(1, 2, 1));
        let mut other_dc = rack(false, &all);
        other_dc.dc = "dc2".into();
        assert_eq!(choose(&other_dc, away, false).forms, told(0, 1, 2));
        assert_eq!(place(true, FIRST, false), None, "it joins");
        assert_eq!(place(false, FIRST, true), None, "it has its tokens");
        assert_eq!(place(false, SECOND, false), None, "it joins later");
    }

    #[test]
    fn a_node_that_never_joined_is_not_its_own_seed_once_the_ring_is_formed() {
        let seeds = choose(&rack(true, &[FIRST, OTHER]), FIRST, false);
        assert_eq!(seeds.list, ["demo-dc1-rack2-0.demo.ns"]);
        assert!(!seeds.all);
    }

    #[test]
    fn a_later_pod_of_a_rack_joins_even_while_forming() {
        let seeds = choose(&rack(false, &[FIRST, SECOND]), SECOND, false);
        assert_eq!(seeds.list, ["demo-dc1-rack1-0.demo.ns"]);
    }

    #[test]
    fn with_seeds_elsewhere_the_first_nodes_join() {
        let mut rack = rack(false, &[FIRST, OTHER]);
        rack.seeds.push("seed.example.org".into());
        let seeds = choose(&rack, FIRST, false);
        assert_eq!(seeds.list, ["demo-dc1-rack2-0.demo.ns", "seed.example.org"]);
    }

    #[test]
    fn the_mark_counts_only_beside_the_data() {
        let folder = std::env::temp_dir().join(format!("casskop-seeds-{}", std::process::id()));
        let data = folder.join("data");
        std::fs::create_dir_all(data.join("system")).unwrap();
        std::fs::write(folder.join(JOINED_MARKER), "id").unwrap();
        let directories = [data.display().to_string()];
        assert!(!has_joined(&folder, &directories), "an empty folder");
        std::fs::create_dir_all(data.join("system/local-7ad54392")).unwrap();
        assert!(has_joined(&folder, &directories));
        assert!(
            !has_joined(&folder, &["/nowhere".to_owned()]),
            "data elsewhere"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_volume_is_lost_only_where_that_can_be_seen() {
        let folder = std::env::temp_dir().join(format!("casskop-lost-{}", std::process::id()));
        let (first, second) = (folder.join("a"), folder.join("b"));
        std::fs::create_dir_all(&first).unwrap();
        let directories = [&first, &second].map(|folder| folder.display().to_string());
        assert!(is_lost(&folder, &directories).unwrap());
        let with_elsewhere = [directories[0].clone(), "/data1/data".to_owned()];
        assert!(
            !is_lost(&folder, &with_elsewhere).unwrap(),
            "another volume"
        );
        std::fs::create_dir_all(second.join("system/local-7ad54392")).unwrap();
        assert!(!is_lost(&folder, &directories).unwrap(), "any folder");
        std::fs::remove_dir_all(&second).unwrap();
        std::fs::write(first.join("system"), "no folder").unwrap();
        assert!(is_lost(&folder, &directories).is_err(), "unreadable");
        std::fs::remove_file(first.join("system")).unwrap();
        std::fs::write(folder.join(JOINED_MARKER), "id").unwrap();
        assert!(!is_lost(&folder, &directories).unwrap(), "our mark");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_member_starts_at_once_with_every_seed() {
        let seeds = choose(&rack(true, &[FIRST, OTHER]), FIRST, true);
        assert_eq!(seeds.list.len(), 2);
        assert!(seeds.wait_for.is_empty());
    }

    #[test]
    fn the_only_node_is_its_own_seed() {
        for formed in [true, false] {
            let seeds = choose(&rack(formed, &[FIRST]), FIRST, false);
            assert_eq!(seeds.list, ["demo-dc1-rack1-0.demo.ns"]);
            assert!(seeds.wait_for.is_empty());
        }
    }
}
