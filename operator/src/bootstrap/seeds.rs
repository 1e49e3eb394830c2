//! Whether this node was a member before, and the wait until the addresses of its seeds resolve. The seeds are
//! decided in `casskop_core::pod_config::seeds`.

use std::{
    net::{IpAddr, ToSocketAddrs},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use casskop_common::names;

use casskop_core::pod_config::seeds::{OwnData, Seeds};

use crate::bootstrap::{Error, files};

/// Written by the readiness probe when the node is observed to be a member; lost with the volume, as intended.
pub const JOINED_MARKER: &str = ".casskop-joined";

/// Time between two lookups.
const LOOKUP_EVERY: Duration = Duration::from_millis(200);
/// Time between two lines that report the wait.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// The data that this node has. The node was a member of the ring before, and still has the data of a member, if both
/// the mark and Cassandra's system tables in the first of its configured data folders exist.
pub(super) fn own_data(data: &Path, data_directories: &[String]) -> OwnData {
    if !has_tables(data_directories) {
        OwnData::None
    } else if data.join(JOINED_MARKER).exists() {
        OwnData::Member
    } else {
        OwnData::Tables
    }
}

/// Whether the first of the data folders has Cassandra's system tables.
fn has_tables(data_directories: &[String]) -> bool {
    let first = data_directories.first();
    first.is_some_and(|first| tables(first).is_ok_and(|any| any))
}

/// Whether the volume is a new one: without the mark, and without Cassandra's system tables in any data folder. If a
/// folder is on another volume, which is not mounted here, the result is false.
///
/// # Errors
/// A folder exists but cannot be read, so the result is unknown.
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

/// Whether a data folder has Cassandra's system tables.
fn tables(folder: &str) -> std::io::Result<bool> {
    match std::fs::read_dir(Path::new(folder).join("system")) {
        Ok(mut tables) => Ok(tables.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits until the addresses of the seeds resolve, without a time limit: a node that started without them could form
/// a second ring, and the log of this init container reports the wait.
pub(super) fn wait(seeds: &Seeds) {
    wait_for(seeds, addresses, || thread::sleep(LOOKUP_EVERY));
}

/// The same with another resolver, and another pause between two lookups.
#[expect(
    clippy::print_stderr,
    reason = "the log of the init container is where people look"
)]
fn wait_for(seeds: &Seeds, addresses: impl Fn(&str) -> Vec<IpAddr>, pause: impl Fn()) {
    let mut said: Option<Instant> = None;
    loop {
        let missing: Vec<&String> = seeds
            .wait_for
            .iter()
            .filter(|name| !resolves(name, &addresses))
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
        pause();
    }
}

/// Label of a name that no pod and no host has.
const NOBODY: &str = "casskop-no-such-seed";

/// Whether a seed has an address that is its own. A wildcard domain, in the DNS search path or of the seed itself,
/// answers for every name; the addresses that it has for a name that does not exist are not those of the seed.
fn resolves(name: &str, addresses: impl Fn(&str) -> Vec<IpAddr>) -> bool {
    let host = name
        .rsplit_once(':')
        .filter(|(host, _)| !host.contains(':'))
        .map_or(name, |(host, _)| host);
    let found = addresses(host);
    let parent = host.split_once('.').map(|(_, parent)| parent);
    let Some(parent) = parent.filter(|_| host.parse::<IpAddr>().is_err()) else {
        return !found.is_empty();
    };
    if found.is_empty() {
        return false;
    }
    let of_anybody = addresses(&format!("{NOBODY}.{parent}"));
    found.iter().any(|address| !of_anybody.contains(address))
}

fn addresses(host: &str) -> Vec<IpAddr> {
    let found = (host, names::CQL_PORT).to_socket_addrs();
    found.map_or_else(
        |_| Vec::new(),
        |found| found.map(|address| address.ip()).collect(),
    )
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_address_of_a_wildcard_is_not_that_of_a_seed() {
        const WILDCARD: [u8; 4] = [192, 0, 2, 1];
        const POD: [u8; 4] = [10, 0, 0, 7];
        let dns = |exists: bool, wildcard: bool| {
            move |name: &str| -> Vec<IpAddr> {
                let is_pod = exists && name.starts_with("demo-dc1-rack2-0.");
                match name.parse() {
                    Ok(address) => vec![address],
                    Err(_) if is_pod => vec![POD.into()],
                    Err(_) if wildcard => vec![WILDCARD.into()],
                    Err(_) => Vec::new(),
                }
            }
        };
        for seed in ["demo-dc1-rack2-0.demo.ns", "demo-dc1-rack2-0.demo.ns:7000"] {
            for wildcard in [false, true] {
                assert!(resolves(seed, dns(true, wildcard)), "{seed} {wildcard}");
                assert!(!resolves(seed, dns(false, wildcard)), "{seed} {wildcard}");
            }
        }
        for address in ["10.0.0.9", "10.0.0.9:7000", "fd00::7"] {
            assert!(resolves(address, dns(false, true)), "{address}");
        }
    }

    /// A node that starts on the address of a wildcard could form a second ring.
    #[test]
    fn a_wildcard_ends_no_wait() {
        for (all, exist) in [(false, 1), (true, 2)] {
            let seeds = Seeds {
                wait_for: vec![
                    "demo-dc1-rack1-0.demo.ns".into(),
                    "demo-dc1-rack2-0.demo.ns".into(),
                ],
                all,
                list: Vec::new(),
                forms: None,
            };
            // With each pause one more pod gets its address.
            let pauses = Cell::new(0);
            let dns = |name: &str| {
                let is_there = |number| name.starts_with(&format!("demo-dc1-rack{number}-0."));
                let is_there = (1..=pauses.get()).any(is_there);
                let address = if is_there {
                    [10, 0, 0, 7]
                } else {
                    [192, 0, 2, 1]
                };
                vec![IpAddr::from(address)]
            };
            wait_for(&seeds, dns, || pauses.set(pauses.get() + 1));
            assert_eq!(pauses.get(), exist, "{all}");
        }
    }

    #[test]
    fn the_mark_counts_only_beside_the_data() {
        let folder = std::env::temp_dir().join(format!("casskop-seeds-{}", std::process::id()));
        let data = folder.join("data");
        std::fs::create_dir_all(data.join("system")).unwrap();
        std::fs::write(folder.join(JOINED_MARKER), "id").unwrap();
        let directories = [data.display().to_string()];
        let found = |directories: &[String]| own_data(&folder, directories);
        assert_eq!(found(&directories), OwnData::None, "an empty folder");
        std::fs::create_dir_all(data.join("system/local-7ad54392")).unwrap();
        assert_eq!(found(&directories), OwnData::Member);
        let elsewhere = ["/nowhere".to_owned()];
        assert_eq!(found(&elsewhere), OwnData::None, "data elsewhere");
        std::fs::remove_file(folder.join(JOINED_MARKER)).unwrap();
        assert_eq!(found(&directories), OwnData::Tables, "no mark");
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
}
