//! JVM options: appended to the image's own, where the last one wins.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{AGENT_ARGUMENT, RackConfig};

/// Sections of `spec.config` that hold JVM options, and the file each goes to. The names are those of the
/// options files and of the Go CassKop's config builder.
pub const SECTIONS: [(&str, &str); 4] = [
    ("jvm-options", "jvm-server.options"),
    ("jvm-server-options", "jvm-server.options"),
    ("jvm11-server-options", "jvm11-server.options"),
    ("jvm17-server-options", "jvm17-server.options"),
];

/// Since 5.0 a node that was interrupted while it joined, or that is to rebuild, refuses to stream anything unless it is
/// told what to do about what it has already: all of it comes again.
const STREAM_ANEW: &str = "-Dcassandra.reset_bootstrap_progress=true";

/// A section of `spec.config` that is not made of JVM options.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error("spec.config.{section}: {message}")]
pub struct InvalidSection {
    /// The section.
    pub section: &'static str,
    /// The fault, with the keys that are known.
    pub message: String,
}

/// The lines that are appended to each options file which Cassandra's start script reads. `replaced` is the address of the
/// lost node whose place this one takes.
///
/// # Errors
/// When a section of `spec.config` has a key that is no option.
pub fn files(
    rack: &RackConfig,
    replaced: Option<&str>,
) -> Result<BTreeMap<&'static str, Vec<String>>, InvalidSection> {
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (section, file) in SECTIONS {
        let lines = options(section, &rack.config[section])
            .map_err(|message| InvalidSection { section, message })?;
        files.entry(file).or_default().extend(lines);
    }
    let users: Vec<&String> = files.values().flatten().collect();
    let own = own_options(rack, &users, replaced);
    files
        .entry("jvm-server.options")
        .or_default()
        .splice(0..0, own);
    Ok(files)
}

/// A heap of ours beside one of the user's could start larger than it may grow.
fn own_options(rack: &RackConfig, users: &[&String], replaced: Option<&str>) -> Vec<String> {
    let sets_heap = users
        .iter()
        .any(|line| line.starts_with("-Xmx") || line.starts_with("-Xms"));
    let megabytes = rack.max_heap_bytes / (1024 * 1024);
    let heap = [
        format!("-Xms{}M", (megabytes / 4).max(1)),
        format!("-Xmx{megabytes}M"),
    ];
    let agent = format!("-javaagent:{AGENT_ARGUMENT}");
    // Ignored by a node that has joined before.
    let replace =
        replaced.map(|address| format!("-Dcassandra.replace_address_first_boot={address}"));
    heap.into_iter()
        .filter(|_| !sets_heap)
        .chain([agent, STREAM_ANEW.to_owned()])
        .chain(replace)
        .collect()
}

/// The command line options of one section.
///
/// # Errors
/// When the section has a key that is no option.
pub fn options(section: &str, config: &Value) -> Result<Vec<String>, String> {
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
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) if key == "additional-jvm-opts" => {
            return lines.iter().map(|line| raw(section, line)).collect();
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => return Err(format!("{key} is not text, a number or a boolean")),
    };
    let line = match key {
        "initial_heap_size" => format!("-Xms{text}"),
        "max_heap_size" => format!("-Xmx{text}"),
        "heap_size_young_generation" => format!("-Xmn{text}"),
        "per_thread_stack_size" => format!("-Xss{text}"),
        "max_direct_memory" => format!("-XX:MaxDirectMemorySize={text}"),
        _ => match key.strip_prefix("cassandra_") {
            Some(property) => format!("-Dcassandra.{property}={text}"),
            None => {
                return Err(format!(
                    "{key} is not known: use initial_heap_size, max_heap_size, heap_size_young_generation, \
                 per_thread_stack_size, max_direct_memory, cassandra_<property>, or additional-jvm-opts with any option"
                ));
            }
        },
    };
    Ok(vec![line])
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
            let files = files(rack, Some("10.0.0.9")).unwrap();
            files["jvm-server.options"].join("\n")
        };
        let text = lines(&rack);
        assert!(text.contains("-Xms256M\n-Xmx1024M\n"), "{text}");
        assert_eq!(text.matches("-javaagent").count(), 1);
        assert_eq!(text.matches("first_boot=10.0.0.9").count(), 1, "{text}");
        rack.config = json!({ "jvm-options": { "max_heap_size": "128M" } });
        let text = lines(&rack);
        assert!(
            !text.contains("-Xms") && text.contains("-Xmx128M"),
            "{text}"
        );
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
