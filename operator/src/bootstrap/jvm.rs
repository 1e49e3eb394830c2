//! JVM options: appended to the image's own, where the last one wins.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::{Error, RackConfig, files};

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

/// Marks where our options begin; an init container that is run again begins anew behind it.
const MARKER: &str = "\n# set by casskop-operator\n";

/// Appends our options and the user's to the files that Cassandra's start script reads. `replaced` is the address of the
/// lost node whose place this one takes.
pub(super) fn write(
    directory: &Path,
    rack: &RackConfig,
    replaced: Option<&str>,
) -> Result<(), Error> {
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (section, file) in SECTIONS {
        let lines = options(section, &rack.config[section]).map_err(|message| Error::Invalid {
            path: format!("spec.config.{section}"),
            message,
        })?;
        files.entry(file).or_default().extend(lines);
    }
    let users: Vec<&String> = files.values().flatten().collect();
    let own = own_options(rack, &users, replaced);
    files
        .entry("jvm-server.options")
        .or_default()
        .splice(0..0, own);
    files
        .iter()
        .try_for_each(|(file, lines)| append(&directory.join(file), lines))
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
    let agent = format!("-javaagent:{}", super::jolokia::AGENT_ARGUMENT);
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

fn append(path: &Path, lines: &[String]) -> Result<(), Error> {
    if lines.is_empty() {
        return Ok(());
    }
    let before = if path.exists() {
        files::read(path)?
    } else {
        String::new()
    };
    let images_own = before.split(MARKER).next().unwrap_or_default();
    files::write(path, &format!("{images_own}{MARKER}{}\n", lines.join("\n")))
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
    fn the_users_heap_replaces_ours_and_a_second_run_adds_nothing() {
        let directory = std::env::temp_dir().join(format!("casskop-jvm-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("jvm-server.options");
        std::fs::write(&file, "-ea\n").unwrap();
        let mut rack = RackConfig {
            max_heap_bytes: 1 << 30,
            ..RackConfig::default()
        };
        for _ in 0..2 {
            write(&directory, &rack, Some("10.0.0.9")).unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("-ea\n") && text.contains("-Xms256M\n-Xmx1024M\n"),
            "{text}"
        );
        assert_eq!(text.matches("-javaagent").count(), 1);
        assert_eq!(text.matches("first_boot=10.0.0.9\n").count(), 1, "{text}");
        rack.config = json!({ "jvm-options": { "max_heap_size": "128M" } });
        write(&directory, &rack, Some("10.0.0.9")).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains("-Xms") && text.contains("-Xmx128M"),
            "{text}"
        );
        std::fs::remove_dir_all(&directory).unwrap();
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
