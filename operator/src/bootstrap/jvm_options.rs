//! JVM options, appended to the files of the image, where the last option takes precedence.

#[cfg(test)]
mod start_scripts;

use std::{collections::BTreeMap, path::Path};

use casskop_common::api::NodeTransport;
use casskop_core::pod_config::{
    RackConfig,
    jvm_options::{self, Agents},
};

use crate::bootstrap::{Error, files, management_api};

/// Marks the start of the operator's options; an init container that runs again replaces everything after it.
const MARKER: &str = "\n# set by casskop-operator\n";

/// Appends the operator's options and the user's to the files that Cassandra's start script reads. `replaced` is the
/// address of the lost node that this node replaces.
pub(super) fn write(
    directory: &Path,
    rack: &RackConfig,
    agents: Agents,
    replaced: Option<&str>,
    pod_ip: &str,
) -> Result<(), Error> {
    let mut all = BTreeMap::new();
    for file in jvm_options::FILES {
        all.insert(file, images_own(&directory.join(file))?);
    }
    let mut files = jvm_options::files(rack, agents, &all, replaced, pod_ip)?;
    if agents.transport != NodeTransport::ManagementApi {
        // Before the options of the user, who may name other settings.
        let closes = management_api::close_metrics(directory)?;
        let options = files.entry(jvm_options::COMMON).or_default();
        options.splice(0..0, closes);
    }
    files
        .iter()
        .try_for_each(|(file, lines)| append(&directory.join(file), lines))
}

fn append(path: &Path, lines: &[String]) -> Result<(), Error> {
    if lines.is_empty() {
        return Ok(());
    }
    let images_own = images_own(path)?;
    files::write(path, &format!("{images_own}{MARKER}{}\n", lines.join("\n")))
}

/// The text of an options file before the operator's lines; empty if there is no file.
fn images_own(path: &Path) -> Result<String, Error> {
    if !path.exists() {
        return Ok(String::new());
    }
    let text = files::read(path)?;
    Ok(text.split(MARKER).next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The images of the Management API load its agent from `cassandra-env.sh`, also where no Management API starts Cassandra. Its
    /// metrics listen on port 9000 of all addresses by default.
    #[test]
    fn the_metrics_of_an_agent_of_the_image_are_kept_from_others() {
        let directory = std::env::temp_dir().join(format!("casskop-agent-{}", std::process::id()));
        let agent =
            r#"JVM_OPTS="$JVM_OPTS -javaagent:/opt/management-api/datastax-mgmtapi-agent.jar""#;
        let own = "-Dcollector-config-path=/own.yaml";
        let rack = RackConfig {
            config: serde_json::json!({ "jvm-server-options": { "additional-jvm-opts": [own] } }),
            ..RackConfig::default()
        };
        let closing = "-Dcollector-config-path=/etc/cassandra/metrics-collector.yaml";
        for (script, is_closed) in [(agent.to_owned(), true), (format!("# {agent}"), false)] {
            for transport in [NodeTransport::Jolokia, NodeTransport::JolokiaTls] {
                std::fs::create_dir_all(&directory).unwrap();
                std::fs::write(directory.join("cassandra-env.sh"), &script).unwrap();
                let agents = Agents {
                    transport,
                    ..Agents::default()
                };
                write(&directory, &rack, agents, None, "10.0.0.1").unwrap();
                let options = std::fs::read_to_string(directory.join("jvm-server.options"));
                let options = options.unwrap();
                let named: Vec<&str> = options
                    .lines()
                    .filter(|line| line.starts_with("-Dcollector-config-path"))
                    .collect();
                let settings = std::fs::read_to_string(directory.join("metrics-collector.yaml"));
                // The last one holds.
                if is_closed {
                    assert_eq!(named, [closing, own]);
                    assert!(settings.unwrap().contains("127.0.0.1"));
                } else {
                    assert_eq!(named, [own]);
                    assert!(settings.is_err());
                }
                std::fs::remove_dir_all(&directory).unwrap();
            }
        }
    }

    #[test]
    fn a_second_run_adds_nothing() {
        let directory = std::env::temp_dir().join(format!("casskop-jvm-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("jvm-server.options");
        std::fs::write(&file, "-ea\n").unwrap();
        let rack = RackConfig {
            max_heap_bytes: 1 << 30,
            ..RackConfig::default()
        };
        let write = || write(&directory, &rack, Agents::default(), None, "10.0.0.1");
        write().unwrap();
        let once = std::fs::read_to_string(&file).unwrap();
        write().unwrap();
        let twice = std::fs::read_to_string(&file).unwrap();
        assert!(
            once.starts_with("-ea\n") && once.contains("-Xmx1024M\n"),
            "{once}"
        );
        assert_eq!(once, twice);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
