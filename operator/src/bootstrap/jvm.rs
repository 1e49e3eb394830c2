//! JVM options: appended to the image's own, where the last one wins.

use std::path::Path;

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

/// Appends our options and the user's to the files that Cassandra's start script reads.
pub(super) fn write(directory: &Path, rack: &RackConfig) -> Result<(), Error> {
    append(&directory.join("jvm-server.options"), &own_options(rack))?;
    for (section, file) in SECTIONS {
        let lines = options(section, &rack.config[section]).map_err(|message| Error::Invalid {
            path: format!("spec.config.{section}"),
            message,
        })?;
        append(&directory.join(file), &lines)?;
    }
    Ok(())
}

fn own_options(rack: &RackConfig) -> Vec<String> {
    let megabytes = rack.max_heap_bytes / (1024 * 1024);
    vec![
        format!("-Xms{}M", (megabytes / 4).max(1)),
        format!("-Xmx{megabytes}M"),
        format!("-javaagent:{}", super::jolokia::AGENT_ARGUMENT),
    ]
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
    files::write(
        path,
        &format!(
            "{before}\n# set by casskop-operator\n{}\n",
            lines.join("\n")
        ),
    )
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
