//! JVM options and environment variables of the user, alone and in pairs, on the start scripts of the Cassandra images, which
//! refuse what those of the stock image refuse. A program `java` that only prints its options takes the place of Java.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use casskop_core::pod_config::{
    RackConfig, environment,
    jvm_options::{self, Agents},
};
use k8s_openapi::api::core::v1::EnvVar;
use serde_json::{Value, json};

use super::write;

const JAVA: &str = r#"#!/bin/bash
if [ "$1" = -version ]; then echo "openjdk version \"$FAKE_JAVA.0.1\" 2026-01-20" >&2; else printf '%s\n' "$@"; fi
"#;
/// The class of Cassandra, which Java starts.
const CLASS: &str = "org.apache.cassandra.service.CassandraDaemon";
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

/// Variables that the scripts or Java look at.
const VARIABLES: [(&str, &str); 25] = [
    ("MAX_HEAP_SIZE", "300M"),
    ("HEAP_NEWSIZE", "100M"),
    ("JVM_OPTS", "-Dfirst=yes"),
    ("JVM_OPTS", "-Xms100m"),
    ("JVM_OPTS", "-Xmn100m"),
    ("JVM_OPTS", "-XX:+UseG1GC"),
    ("JVM_OPTS", "-XX:+UseG1GC -Xmn100m"),
    ("JVM_OPTS", "-XX:+UseZGC"),
    ("JVM_OPTS", "-XX:-UseG1GC"),
    ("JVM_OPTS", "-Dname=two words"),
    ("JVM_EXTRA_OPTS", "-Dlast=yes"),
    ("JVM_EXTRA_OPTS", "-Xmn100m"),
    ("JVM_EXTRA_OPTS", "-Xms4g"),
    ("JVM_EXTRA_OPTS", "-Xmx100m"),
    ("JVM_EXTRA_OPTS", "-Xmx2g"),
    ("JVM_EXTRA_OPTS", "-Xms200m -Xmx100m"),
    ("JVM_EXTRA_OPTS", "-Xms200m -Xmx300m"),
    ("JVM_EXTRA_OPTS", "-XX:+UseSerialGC"),
    (
        "JVM_EXTRA_OPTS",
        "-Dcom.sun.management.jmxremote.password.file=/tmp/passwords",
    ),
    ("LOCAL_JMX", "no"),
    ("LOCAL_JMX", "yes"),
    ("CASSANDRA_CONF", "/nowhere"),
    ("CASSANDRA_SEEDS", "10.0.0.1"),
    ("CASSANDRA_CLUSTER_NAME", "other"),
    ("MALLOC_ARENA_MAX", "8"),
];
/// Releases, with the version of Java of their stock images.
const RELEASES: [(&str, u32); 3] = [("5.0", 17), ("4.1", 11), ("4.0", 11)];

/// A copy of the files of an image, deleted when this value is dropped.
struct Image(PathBuf);

impl Image {
    fn of(test: &str, version: &str) -> Self {
        let name = format!("casskop-start-{test}-{version}-{}", std::process::id());
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
        let image = Self(place);
        if version != "5.0" {
            image.use_cms();
        }
        image
    }

    /// Whether the script starts Java of this version with this configuration and these variables, and the options that
    /// Java gets, or the refusal.
    fn start(&self, java: u32, config: &Value, variables: &[EnvVar]) -> (bool, String) {
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
        write(&conf, &rack, Agents::default(), None, "10.0.0.1").unwrap();
        let home = self.0.join("opt/cassandra");
        let path = format!("{}:/usr/bin:/bin", self.0.join("bin").display());
        let said = Command::new(home.join("bin/cassandra"))
            .arg("-f")
            .env_clear()
            .env("PATH", path)
            .env("CASSANDRA_HOME", &home)
            .env("CASSANDRA_CONF", &conf)
            .env("CASSANDRA_LOG_DIR", self.0.join("logs"))
            .env("FAKE_JAVA", java.to_string())
            .envs(
                variables
                    .iter()
                    .map(|one| (&one.name, one.value.as_deref().unwrap_or_default())),
            )
            .output()
            .unwrap();
        let is_started = said.status.success();
        let text = if is_started { said.stdout } else { said.stderr };
        (is_started, String::from_utf8_lossy(&text).into_owned())
    }
}

impl Image {
    /// As in the stock images before 5.0.
    fn use_cms(&self) {
        for file in jvm_options::FILES {
            let path = self.0.join("etc/cassandra").join(file);
            let own = super::images_own(&path).unwrap();
            fs::write(path, own.replace("-XX:+UseG1GC", "-XX:+UseConcMarkSweepGC")).unwrap();
        }
    }

    fn must_start(&self, java: u32, config: &Value) {
        let (is_started, said) = self.start(java, config, &[]);
        assert!(
            is_started && java_starts(&said),
            "{:?}, Java {java}, {config}: {said}",
            self.0
        );
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Checks that Java starts with the options, one a line: one heap, one collector, one class.
fn java_starts(options: &str) -> bool {
    let options: Vec<&str> = options.lines().collect();
    let is_class = |pair: &&[&str]| !pair[1].starts_with('-') && !takes_value(pair[0]);
    let class = options.windows(2).find(is_class).map(|pair| pair[1]);
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
    let collectors = ["UseG1GC", "UseSerialGC", "UseZGC", "UseConcMarkSweepGC"];
    let on = collectors.iter().filter(is_on).count();
    size("-Xms") > 0 && size("-Xms") <= size("-Xmx") && on <= 1 && class == Some(CLASS)
}

fn takes_value(option: &str) -> bool {
    option == "-cp" || option.starts_with("--")
}

#[test]
fn options_start_alone_and_in_pairs_or_are_refused_before() {
    let pairs = |section: &str| {
        let mut pairs = Vec::new();
        for (index, one) in OPTIONS.iter().enumerate() {
            let others = OPTIONS[index..].iter();
            pairs.extend(others.map(|other| match section {
                "jvm-options" => json!({ "jvm-options": [one, other] }),
                _ => json!({ "jvm-options": [one], section: [other] }),
            }));
        }
        pairs
    };
    let examples = jvm_options::examples().into_iter();
    let named = examples.map(|(key, value)| json!({ "jvm-server-options": { key: value } }));
    let common: Vec<Value> = [json!({})]
        .into_iter()
        .chain(named)
        .chain(pairs("jvm-options"))
        .collect();
    let mut refused = BTreeSet::new();
    let mut started = 0;
    let mut start_all = |image: &Image, java: u32, tried: &[Value]| {
        for config in tried {
            if let Err(message) = jvm_options::check(config) {
                refused.insert(format!("{config}: {message}"));
                continue;
            }
            image.must_start(java, config);
            started += 1;
        }
    };
    for (version, java) in RELEASES {
        start_all(&Image::of("options", version), java, &common);
    }
    // The image of 5.0 has options for both versions of Java.
    let image = Image::of("options-by-java", "5.0");
    for (java, other, section) in [
        (11, 17, "jvm11-server-options"),
        (17, 11, "jvm17-server-options"),
    ] {
        start_all(&image, java, &pairs(section));
        let not_read: Vec<Value> = OPTIONS.map(|one| json!({ section: [one] })).into();
        start_all(&image, other, &not_read);
    }
    assert!(started > 600, "{started}");
    insta::assert_snapshot!(refused.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn variables_start_alone_and_in_pairs_or_are_refused_before() {
    let variable = |(name, value): (&str, &str)| EnvVar {
        name: name.into(),
        value: Some(value.into()),
        value_from: None,
    };
    let mut tried: Vec<Vec<EnvVar>> = VARIABLES.map(|one| vec![variable(one)]).into();
    for (index, one) in VARIABLES.into_iter().enumerate() {
        let others = VARIABLES[index..].iter().filter(|other| other.0 != one.0);
        tried.extend(others.map(|other| vec![variable(one), variable(*other)]));
    }
    let images = RELEASES.map(|(version, java)| (Image::of("variables", version), version, java));
    let mut alone: BTreeMap<String, [bool; 3]> = BTreeMap::new();
    let mut said = Vec::new();
    for variables in &tried {
        let starts = images.each_ref().map(|(image, _, java)| {
            let (is_started, output) = image.start(*java, &json!({}), variables);
            is_started && java_starts(&output)
        });
        let is_refused = !environment::contradictions(variables).is_empty();
        let is_doubtful = !environment::doubtful(variables).is_empty();
        let is_right = is_doubtful || is_refused != starts.iter().all(|starts| *starts);
        assert!(is_right, "{variables:?}, {is_refused}: {starts:?}");
        let name = written(variables);
        // Two variables are told where the images do not start with both as they do with each.
        let is_told = match &variables[..] {
            [_] => is_refused || is_doubtful,
            both => {
                let each = |index: usize| {
                    let mut each = both.iter().map(|one| alone[&written([one])][index]);
                    each.all(|starts| starts)
                };
                starts != [0, 1, 2].map(each)
            }
        };
        if is_told {
            let judged = if is_refused { "refused" } else { "accepted" };
            let found = images.iter().zip(starts).map(|((_, version, _), starts)| {
                format!(", {version} {}", if starts { "starts" } else { "ends" })
            });
            said.push(format!("{name}: {judged}{}", found.collect::<String>()));
        }
        alone.insert(name, starts);
    }
    insta::assert_snapshot!(said.join("\n"));
}

fn written<'a>(variables: impl IntoIterator<Item = &'a EnvVar>) -> String {
    let all = variables
        .into_iter()
        .map(|one| format!("{}={}", one.name, one.value.as_deref().unwrap_or_default()));
    all.collect::<Vec<_>>().join(", ")
}
