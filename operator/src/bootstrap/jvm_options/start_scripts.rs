//! JVM options of the user, alone and in pairs, on the start scripts of the Cassandra images, which refuse what those of the
//! stock image refuse. A program `java` that only prints its options takes the place of Java.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use casskop_common::api::NodeTransport;
use casskop_core::pod_config::{RackConfig, jvm_options};
use serde_json::{Value, json};

use super::write;

const JAVA: &str = r#"#!/bin/bash
if [ "$1" = -version ]; then echo 'openjdk version "17.0.1" 2026-01-20' >&2; else printf '%s\n' "$@"; fi
"#;
const ID: &str = "#!/bin/bash\necho 999\n";
/// Options of each kind that the scripts or Java look at, and some that they do not.
const OPTIONS: [&str; 17] = [
    "-Xms300m",
    "-Xmx400m",
    "-Xmx2g",
    "-Xmn100m",
    "-Xss512k",
    "-XX:+UseG1GC",
    "-XX:-UseG1GC",
    "-XX:+UseSerialGC",
    "-XX:+UseZGC",
    "-XX:NewSize=50m",
    "-XX:MaxDirectMemorySize=1g",
    "-XX:MaxRAMPercentage=50",
    "-Xlog:gc",
    "-Dcassandra.ring_delay_ms=5000",
    "-Djava.net.preferIPv4Stack=false",
    "--add-opens java.base/java.lang=ALL-UNNAMED",
    "-ea",
];

/// A copy of the files of an image, deleted when this value is dropped.
struct Image(PathBuf);

impl Image {
    fn of(version: &str) -> Self {
        let name = format!("casskop-start-{version}-{}", std::process::id());
        let place = std::env::temp_dir().join(name);
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed/images/cassandra");
        fs::create_dir_all(place.join("bin")).unwrap();
        for part in ["all", version] {
            let copied = Command::new("cp")
                .arg("-r")
                .arg(sources.join(part).join("."))
                .arg(&place)
                .status();
            assert!(copied.unwrap().success());
        }
        fs::create_dir_all(place.join("opt/cassandra/lib")).unwrap();
        fs::write(place.join("opt/cassandra/lib/jamm-0.1.jar"), "").unwrap();
        for (program, text) in [("java", JAVA), ("id", ID)] {
            let path = place.join("bin").join(program);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(place)
    }

    /// Whether the script starts Java with this configuration, and the options that Java gets, or the refusal.
    fn start(&self, config: &Value) -> (bool, String) {
        let rack = RackConfig {
            max_heap_bytes: 1 << 30,
            config: config.clone(),
            ..RackConfig::default()
        };
        let conf = self.0.join("etc/cassandra");
        for file in jvm_options::FILES {
            let own = super::images_own(&conf.join(file)).unwrap();
            fs::write(conf.join(file), own).unwrap();
        }
        write(&conf, &rack, NodeTransport::Jolokia, None, "10.0.0.1").unwrap();
        let home = self.0.join("opt/cassandra");
        let path = format!("{}:/usr/bin:/bin", self.0.join("bin").display());
        let said = Command::new(home.join("bin/cassandra"))
            .arg("-f")
            .env_clear()
            .env("PATH", path)
            .env("CASSANDRA_HOME", &home)
            .env("CASSANDRA_CONF", &conf)
            .env("CASSANDRA_LOG_DIR", self.0.join("logs"))
            .output()
            .unwrap();
        let is_started = said.status.success();
        let text = if is_started { said.stdout } else { said.stderr };
        (is_started, String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Checks that Java starts with the options: one heap, one collector.
fn java_starts(options: &[&str]) -> bool {
    let size = |option: &str| {
        let last = options
            .iter()
            .rev()
            .find_map(|one| one.strip_prefix(option));
        let digits = last.unwrap_or_default().to_ascii_lowercase();
        let (number, unit) = digits.split_at(digits.len().saturating_sub(1));
        let factor = match unit {
            "m" => 1,
            "g" => 1024,
            _ => 0,
        };
        number.parse::<u64>().unwrap_or(0) * factor
    };
    let is_on = |collector: &&&str| {
        let switch = |one: &&str| {
            let switch = one.strip_prefix("-XX:")?.strip_suffix(**collector)?;
            Some(switch == "+")
        };
        options.iter().rev().find_map(switch) == Some(true)
    };
    let collectors = ["UseG1GC", "UseSerialGC", "UseZGC"];
    let on = collectors.iter().filter(is_on).count();
    size("-Xms") > 0 && size("-Xms") <= size("-Xmx") && on <= 1
}

#[test]
fn options_start_alone_and_in_pairs_or_are_refused_before() {
    let mut started = 0;
    let mut refused = Vec::new();
    for version in ["5.0", "4.1", "4.0"] {
        let image = Image::of(version);
        let mut tried: Vec<Value> = vec![json!({})];
        for (index, one) in OPTIONS.iter().enumerate() {
            tried.push(json!({ "jvm17-server-options": [one] }));
            // The script is the same in all versions.
            let others = if version == "5.0" {
                &OPTIONS[index..]
            } else {
                &[]
            };
            for other in others {
                tried.push(json!({ "jvm-options": [one, other] }));
            }
        }
        for (key, value) in jvm_options::examples() {
            tried.push(json!({ "jvm-server-options": { key: value } }));
        }
        for config in &tried {
            if let Err(message) = jvm_options::check(config) {
                refused.push(format!("{config}: {message}"));
                continue;
            }
            let (is_started, said) = image.start(config);
            assert!(is_started, "{version}, {config}: {said}");
            let options: Vec<&str> = said.lines().collect();
            assert!(java_starts(&options), "{version}, {config}: {said}");
            started += 1;
        }
    }
    assert!(started > 150, "{started}");
    insta::assert_snapshot!(refused.join("\n"));
}
