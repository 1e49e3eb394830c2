//! JVM options: appended to the image's own, where the last one wins.

pub(super) mod collectors;
pub(super) mod heap;

use std::collections::BTreeMap;

use casskop_common::{api::NodeTransport, config::jvm_options as named};
use serde_json::Value;

use super::{AGENT_ARGUMENT, RackConfig, is_ipv6, management_api, metrics};
#[cfg(any(test, feature = "simulation"))]
pub use casskop_common::config::jvm_options::examples;

/// Sections of `spec.config` that hold JVM options, and the file each goes to. The names are those of the
/// options files and of the Go CassKop's config builder.
pub const SECTIONS: [(&str, &str); 4] = [
    ("jvm-options", COMMON),
    ("jvm-server-options", COMMON),
    ("jvm11-server-options", BY_JAVA[0]),
    ("jvm17-server-options", BY_JAVA[1]),
];
/// The options file for every version of Java, and those of which the start script reads one besides.
pub const COMMON: &str = "jvm-server.options";
const BY_JAVA: [&str; 2] = ["jvm11-server.options", "jvm17-server.options"];
/// All options files that have sections.
pub const FILES: [&str; 3] = [COMMON, BY_JAVA[0], BY_JAVA[1]];

/// Since 5.0 a node that was interrupted while it joined, or that is to rebuild, refuses to stream anything unless it is
/// told what to do about what it has already: all of it comes again.
const STREAM_ANEW: &str = "-Dcassandra.reset_bootstrap_progress=true";

/// Limits of the HTTP servers of the agents; that of Jolokia authenticates a request only after it has read the headers: seconds
/// that a request may take to arrive, and number of connections. A limit of the response time (`maxRspTime`) would end
/// calls that run for hours.
const AGENT_LIMITS: [&str; 2] = [
    "-Dsun.net.httpserver.maxReqTime=5",
    "-Djdk.httpserver.maxConnections=150",
];

/// The options of the image prefer IPv4 (`-Djava.net.preferIPv4Stack=true`), with which no IPv6 address can be bound.
const IPV6: &str = "-Djava.net.preferIPv4Stack=false";

/// The Java agents of a node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Agents {
    /// The transport that the node is started with: the configuration of its rack may be newer, or older, than the pod.
    pub transport: NodeTransport,
    /// Whether the node serves the metrics of Cassandra.
    pub metrics: bool,
}

/// A section of `spec.config` that is not made of JVM options.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error("spec.config.{section}: {message}")]
pub struct InvalidSection {
    /// The section.
    pub section: &'static str,
    /// The fault, with the keys that are known.
    pub message: String,
}

/// The lines that are appended to each options file which Cassandra's start script reads. `images_own` is the text of the
/// image's own files, by name, and `replaced` the address of the lost node whose place this one takes. `pod_ip` is the
/// primary address of the pod. The agents are those of the pod's own template.
///
/// # Errors
/// When a section of `spec.config` has a key that is no option.
pub fn files(
    rack: &RackConfig,
    agents: Agents,
    images_own: &BTreeMap<&'static str, String>,
    replaced: Option<&str>,
    pod_ip: &str,
) -> Result<BTreeMap<&'static str, Vec<String>>, InvalidSection> {
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (section, file) in SECTIONS {
        let lines = options(section, &rack.config[section])
            .map_err(|message| InvalidSection { section, message })?;
        files.entry(file).or_default().extend(lines);
    }
    let heaps = heap::missing(rack.max_heap_bytes, &files);
    let collectors = BY_JAVA.map(|file| (file, collectors::replaced(file, &files, images_own)));
    for (file, options) in heaps.into_iter().chain(collectors) {
        files.entry(file).or_default().splice(0..0, options);
    }
    files
        .entry(COMMON)
        .or_default()
        .splice(0..0, own_options(agents, replaced, pod_ip));
    let of_image = images_own.values().flat_map(|text| text.lines());
    if heap::uses_g1(of_image) || heap::uses_g1(files.values().flatten().map(String::as_str)) {
        for line in files.values_mut().flatten() {
            *line = heap::young_generation_beside_g1(line);
        }
    }
    Ok(files)
}

fn own_options(agents: Agents, replaced: Option<&str>, pod_ip: &str) -> Vec<String> {
    let (jolokia, of_image) = match agents.transport {
        NodeTransport::Jolokia | NodeTransport::JolokiaTls => (Some(AGENT_ARGUMENT.into()), None),
        // The image names its agent in cassandra-env.sh.
        NodeTransport::ManagementApi => (None, management_api::metrics_option()),
    };
    let metrics = agents.metrics.then(metrics::agent_argument);
    let started: Vec<String> = [jolokia, metrics].into_iter().flatten().collect();
    let limits = AGENT_LIMITS.into_iter().filter(|_| !started.is_empty());
    let agent: Vec<String> = started
        .iter()
        .map(|argument| format!("-javaagent:{argument}"))
        .chain(limits.map(str::to_owned))
        .chain(of_image)
        .collect();
    // Ignored by a node that has joined before.
    let replace =
        replaced.map(|address| format!("-Dcassandra.replace_address_first_boot={address}"));
    agent
        .into_iter()
        .chain([STREAM_ANEW.to_owned()])
        .chain(is_ipv6(pod_ip).then(|| IPV6.to_owned()))
        .chain(replace)
        .collect()
}

/// Checks the JVM options of all sections.
///
/// # Errors
/// When a section has a key that is no option, or when the start script of the image or Java would end because of an
/// option.
pub fn check(config: &Value) -> Result<(), String> {
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (section, file) in SECTIONS {
        let lines = options(section, &config[section])
            .map_err(|message| format!("{section}: {message}"))?;
        lines.iter().try_for_each(|line| check_words(line))?;
        files.entry(file).or_default().extend(lines);
    }
    BY_JAVA.into_iter().try_for_each(|file| {
        let lines = [COMMON, file]
            .into_iter()
            .filter_map(|file| files.get(file));
        heap::check(&words(lines.flatten()))
    })?;
    files
        .values()
        .try_for_each(|lines| collectors::check(&words(lines.iter())))
}

/// The start script of the image splits options at blanks; only options such as `--add-opens` have a value behind one.
fn check_words(line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let stray = words
        .windows(2)
        .find(|pair| !pair[1].starts_with('-') && !pair[0].starts_with("--"));
    stray.map_or(Ok(()), |pair| {
        Err(format!(
            "'{line}' is split at its blanks by Cassandra's start script, and '{}' alone is no option: remove the blank",
            pair[1]
        ))
    })
}

/// The options in lines, as the start script of the image splits them.
fn words<'a>(lines: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    lines.flat_map(|line| line.split_whitespace()).collect()
}

/// The command line options of one section.
///
/// # Errors
/// When the section has a key that is no option.
fn options(section: &str, config: &Value) -> Result<Vec<String>, String> {
    match config {
        Value::Null => Ok(Vec::new()),
        Value::Array(lines) => lines.iter().map(|line| raw(section, line)).collect(),
        Value::Object(fields) => {
            let options = fields
                .iter()
                .map(|(key, value)| option(section, key, value));
            Ok(options
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .flatten()
                .collect())
        }
        _ => Err("is a list of JVM options, or an object of named ones".into()),
    }
}

fn option(section: &str, key: &str, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(lines) if key == "additional-jvm-opts" => {
            lines.iter().map(|line| raw(section, line)).collect()
        }
        _ => Ok(named::option(key, value)?.into_iter().collect()),
    }
}

/// Keys of the sections that are accepted and not used, with the reason of each.
pub fn unused(config: &Value) -> impl Iterator<Item = (&'static str, &String, &'static str)> {
    let sections = SECTIONS
        .iter()
        .filter_map(|(section, _)| Some((*section, config[*section].as_object()?)));
    sections.flat_map(|(section, options)| {
        let keys = options.keys();
        keys.filter_map(move |key| Some((section, key, named::unused(key)?)))
    })
}

fn raw(section: &str, line: &Value) -> Result<String, String> {
    match line.as_str() {
        Some(option) if option.starts_with('-') && !option.contains('\n') => Ok(option.to_owned()),
        _ => Err(format!(
            "{section} has {line}, which is not one JVM option beginning with '-'"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn named_options_and_lists_become_lines() {
        let config = json!({
            "initial_heap_size": "256M", "max_heap_size": "512M", "cassandra_ring_delay_ms": 5000,
            "additional-jvm-opts": ["-Dx=y", "-XX:+UseSerialGC"],
        });
        let lines = options("jvm-options", &config).unwrap();
        assert_eq!(
            lines,
            [
                "-Dx=y",
                "-XX:+UseSerialGC",
                "-Dcassandra.ring_delay_ms=5000",
                "-Xms256M",
                "-Xmx512M"
            ]
        );
        assert_eq!(
            options("jvm-options", &json!(["-Xmx1G"])).unwrap(),
            ["-Xmx1G"]
        );
    }

    #[test]
    fn the_users_heap_replaces_ours() {
        let mut rack = RackConfig {
            max_heap_bytes: 1 << 30,
            ..RackConfig::default()
        };
        let lines = |rack: &RackConfig| {
            let none = BTreeMap::new();
            let files =
                files(rack, Agents::default(), &none, Some("10.0.0.9"), "10.0.0.1").unwrap();
            files["jvm-server.options"].join("\n") + "\n"
        };
        let text = lines(&rack);
        assert!(text.contains("-Xms256M\n-Xmx1024M\n"), "{text}");
        assert_eq!(text.matches("-javaagent").count(), 1);
        for limit in AGENT_LIMITS {
            assert_eq!(text.matches(limit).count(), 1, "{text}");
        }
        assert_eq!(text.matches("first_boot=10.0.0.9").count(), 1, "{text}");
        rack.config = json!({ "jvm-options": { "max_heap_size": "128M" } });
        let text = lines(&rack);
        assert!(
            text.contains("-Xms128M\n") && text.contains("-Xmx128M\n"),
            "{text}"
        );
        assert_eq!(text.matches("-Xm").count(), 2, "{text}");
    }

    /// The JVM loads the agents in the order of its options; that of the Management API is in the files of its image.
    #[test]
    fn metrics_have_an_agent_beside_each_transport() {
        for (transport, agents) in [
            (
                NodeTransport::Jolokia,
                vec!["jolokia-agent.jar", "metrics-agent.jar"],
            ),
            (
                NodeTransport::JolokiaTls,
                vec!["jolokia-agent.jar", "metrics-agent.jar"],
            ),
            (NodeTransport::ManagementApi, vec!["metrics-agent.jar"]),
        ] {
            let both = Agents {
                transport,
                metrics: true,
            };
            let none = BTreeMap::new();
            let files = files(&RackConfig::default(), both, &none, None, "10.0.0.1").unwrap();
            let lines = files[COMMON].join("\n");
            let names = lines.lines().filter_map(|line| {
                line.strip_prefix("-javaagent:/etc/cassandra/")?
                    .split('=')
                    .next()
            });
            assert_eq!(names.collect::<Vec<_>>(), agents);
            for limit in AGENT_LIMITS {
                assert_eq!(lines.matches(limit).count(), 1, "{lines}");
            }
        }
    }

    #[test]
    fn only_a_pod_with_an_ipv6_address_uses_the_ipv6_stack() {
        for (pod_ip, expected) in [("10.0.0.1", 0), ("fd00::1", 1)] {
            let files = files(
                &RackConfig::default(),
                Agents::default(),
                &BTreeMap::new(),
                None,
                pod_ip,
            )
            .unwrap();
            let found = files[COMMON].iter().filter(|line| *line == IPV6).count();
            assert_eq!(found, expected, "{pod_ip}");
        }
    }

    /// Options of the user, by section, and the heap options that are added, by file.
    #[test]
    fn the_heap_has_both_sizes_whichever_the_user_sets() {
        let gibibyte = 1 << 30;
        for (config, added) in [
            (json!({}), vec![(COMMON, vec!["-Xms256M", "-Xmx1024M"])]),
            (
                json!({ "jvm-options": { "max_heap_size": "2G" } }),
                vec![(COMMON, vec!["-Xms2G"])],
            ),
            (
                json!({ "jvm-server-options": ["-Xms300m"] }),
                vec![(COMMON, vec!["-Xmx1024M"])],
            ),
            (
                json!({ "jvm-server-options": ["-Xms3g -Xss1m"] }),
                vec![(COMMON, vec!["-Xmx3g"])],
            ),
            (
                json!({ "jvm-options": ["-Xms1g"], "jvm-server-options": ["-Xmx2g"] }),
                vec![(COMMON, vec![])],
            ),
            (
                json!({ "jvm-options": ["-Xmx1g"], "jvm17-server-options": ["-Xms500m"] }),
                vec![(BY_JAVA[0], vec!["-Xms1g"]), (BY_JAVA[1], vec![])],
            ),
        ] {
            let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for (section, file) in SECTIONS {
                let lines = options(section, &config[section]).unwrap();
                files.entry(file).or_default().extend(lines);
            }
            assert_eq!(check(&config), Ok(()));
            let found = heap::missing(gibibyte, &files);
            let found: Vec<(&str, Vec<&str>)> = found
                .iter()
                .map(|(file, lines)| (*file, lines.iter().map(String::as_str).collect()))
                .collect();
            assert_eq!(found, added, "{config}");
        }
    }

    #[test]
    fn a_young_generation_is_kept_beside_g1_by_other_options() {
        let rack = RackConfig {
            max_heap_bytes: 1 << 30,
            config: json!({ "jvm-options": { "heap_size_young_generation": "100M" } }),
            ..RackConfig::default()
        };
        for (images_own, young) in [
            ("-XX:+UseConcMarkSweepGC\n", "-Xmn100M"),
            ("#-XX:+UseG1GC\n", "-Xmn100M"),
            ("-XX:+UseG1GC\n", "-XX:NewSize=100M -XX:MaxNewSize=100M"),
        ] {
            let images_own = [(BY_JAVA[0], images_own.to_owned())].into();
            let files = files(&rack, Agents::default(), &images_own, None, "10.0.0.1").unwrap();
            let found = files[COMMON].iter().any(|line| line == young);
            assert!(found, "{images_own:?}: {files:?}");
        }
    }

    #[test]
    fn options_that_no_node_starts_with_are_refused() {
        for (config, word) in [
            (
                json!({ "jvm-options": { "max_heap_size": "1.5G" } }),
                "-Xmx1.5G",
            ),
            (json!({ "jvm-options": ["-Xmx0"] }), "-Xmx0"),
            (json!({ "jvm-options": ["-Xmx2GB"] }), "-Xmx2GB"),
            (json!({ "jvm-options": ["-Xmn"] }), "-Xmn"),
            (
                json!({ "jvm-options": { "initial_heap_size": "2G", "max_heap_size": "1024M" } }),
                "at most the maximum",
            ),
            (
                json!({ "jvm-options": ["-Xmx1g"], "jvm11-server-options": ["-Xms2g"] }),
                "at most the maximum",
            ),
            (
                json!({ "jvm-options": ["-XX:+UseZGC"], "jvm-server-options": ["-XX:+UseSerialGC"] }),
                "remove one of them",
            ),
            (json!({ "jvm-options": ["-Dname=two words"] }), "'words'"),
            (json!({ "jvm-options": { "cassandra_x": "a b" } }), "'b'"),
            (json!({ "jvm-options": { "heap": "1G" } }), "max_heap_size"),
        ] {
            let message = check(&config).unwrap_err();
            assert!(message.contains(word), "{config}: {message}");
        }
        let split = json!({ "jvm-options": ["--add-opens java.base/java.io=ALL-UNNAMED -Da=b"] });
        assert_eq!(check(&split), Ok(()));
    }

    #[test]
    fn the_collector_of_the_user_replaces_that_of_the_image() {
        let g1 = [(BY_JAVA[1], "#-XX:+UseZGC\n-XX:+UseG1GC\n".to_owned())].into();
        for (users, off) in [
            (json!(["-XX:+UseSerialGC"]), &["-XX:-UseG1GC"][..]),
            (json!(["-XX:+UseG1GC"]), &[]),
            (json!(["-XX:+UseZGC", "-XX:-UseZGC"]), &[]),
            (json!([]), &[]),
        ] {
            let rack = RackConfig {
                config: json!({ "jvm-options": users }),
                ..RackConfig::default()
            };
            let files = files(&rack, Agents::default(), &g1, None, "10.0.0.1").unwrap();
            let found = files.get(BY_JAVA[1]).map_or(&[][..], Vec::as_slice);
            assert_eq!(found, off, "{users}");
            assert!(!files.contains_key(BY_JAVA[0]) || files[BY_JAVA[0]].is_empty());
        }
        // The options for a version of Java replace those for all versions.
        let rack = RackConfig {
            config: json!({
                "jvm-options": ["-XX:+UseSerialGC"], "jvm17-server-options": ["-XX:+UseZGC"],
            }),
            ..RackConfig::default()
        };
        assert_eq!(check(&rack.config), Ok(()));
        let files = files(&rack, Agents::default(), &g1, None, "10.0.0.1").unwrap();
        let expected = ["-XX:-UseG1GC", "-XX:-UseSerialGC", "-XX:+UseZGC"];
        assert_eq!(files[BY_JAVA[1]], expected);
    }

    #[test]
    fn what_is_no_option_is_said() {
        assert!(
            options("jvm-options", &json!({ "heap": "1G" }))
                .unwrap_err()
                .contains("max_heap_size")
        );
        assert!(options("jvm-options", &json!(["Xmx1G"])).is_err());
        assert!(options("jvm-options", &json!({ "max_heap_size": {} })).is_err());
        assert!(options("jvm-options", &json!("-Xmx1G")).is_err());
    }
}
