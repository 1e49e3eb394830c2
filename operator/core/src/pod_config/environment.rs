//! Environment variables of the user, judged as the start scripts of the stock image and Java read them.

use k8s_openapi::api::core::v1::EnvVar;

use super::jvm_options::{collectors, heap};

/// Options in front of those of the options files. The start script judges both together.
const FIRST: &str = "JVM_OPTS";
/// Options behind all others. Only Java judges them.
const LAST: &str = "JVM_EXTRA_OPTS";
/// Sizes that the start script expects in a pair, unless the image uses G1.
const HEAP_PAIR: [&str; 2] = ["MAX_HEAP_SIZE", "HEAP_NEWSIZE"];
/// Opens JMX to other machines.
const LOCAL_JMX: &str = "LOCAL_JMX";
/// Folder of the configuration that the operator writes.
const CONF: &str = "/etc/cassandra";
/// Variables that the entry point of the stock image writes into the configuration, and the field for each. Pods start
/// Cassandra without that part of the entry point.
const OF_ENTRY_POINT: [(&str, &str); 11] = [
    (
        "CASSANDRA_CLUSTER_NAME",
        "set config.cassandra-yaml.cluster_name",
    ),
    (
        "CASSANDRA_NUM_TOKENS",
        "set config.cassandra-yaml.num_tokens",
    ),
    (
        "CASSANDRA_ENDPOINT_SNITCH",
        "set config.cassandra-yaml.endpoint_snitch",
    ),
    (
        "CASSANDRA_RPC_ADDRESS",
        "set config.cassandra-yaml.rpc_address",
    ),
    ("CASSANDRA_SEEDS", "set spec.seeds"),
    ("CASSANDRA_DC", "set spec.topology"),
    ("CASSANDRA_RACK", "set spec.topology"),
    (
        "CASSANDRA_LISTEN_ADDRESS",
        "the operator writes the address of the pod",
    ),
    (
        "CASSANDRA_BROADCAST_ADDRESS",
        "set config.cassandra-yaml.broadcast_address",
    ),
    (
        "CASSANDRA_BROADCAST_RPC_ADDRESS",
        "the operator writes the address of the pod",
    ),
    (
        "CASSANDRA_START_RPC",
        "there is no Thrift in Cassandra 4.0 and later",
    ),
];

/// Variables with which Cassandra does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Names of the variables that were judged.
    pub variables: &'static [&'static str],
    /// The reason, with the field to use instead.
    pub message: String,
}

/// Finds variables with which Cassandra does not start: whatever the image has, or, for half of the pair of sizes, with the
/// start script of a stock image. A value that is known in the pod only (`valueFrom`, `$(NAME)`) is not judged.
pub fn contradictions(variables: &[EnvVar]) -> Vec<Contradiction> {
    let [first, last] = [FIRST, LAST].map(|name| words(variables, name));
    // The sizes in JVM_OPTS are those of the options files in the end.
    let order = || heap::check_order(&last).map_err(|message| format!("{LAST}: {message}"));
    let checks: [(&[&str], Result<(), String>); 3] = [
        (
            &[FIRST],
            check_words(FIRST, &first).and_then(|()| check_first(&first)),
        ),
        (&[LAST], check_words(LAST, &last).and_then(|()| order())),
        (&HEAP_PAIR, check_pair(variables)),
    ];
    let failed = checks.into_iter().filter_map(|(variables, result)| {
        let message = result.err()?;
        Some(Contradiction { variables, message })
    });
    failed.collect()
}

/// Whether two lists have the same values for these variables, as far as [`contradictions`] judges them.
pub fn are_equal(names: &[&str], one: &[EnvVar], other: &[EnvVar]) -> bool {
    let judged = |variables, name| (literal(variables, name), is_set(variables, name));
    names
        .iter()
        .all(|name| judged(one, name) == judged(other, name))
}

/// The start script looks for both options in `JVM_OPTS`, wherever they come from.
fn check_first(words: &[&str]) -> Result<(), String> {
    match heap::last(words, "-Xmn") {
        Some(size) if words.contains(&"-XX:+UseG1GC") => Err(format!(
            "{FIRST} has -Xmn{size} and -XX:+UseG1GC, with which the start script of the image ends: write config.jvm-server-options.heap_size_young_generation: {size}"
        )),
        _ => Ok(()),
    }
}

/// Checks what Java ends with even if other options follow.
fn check_words(name: &str, words: &[&str]) -> Result<(), String> {
    find_unreadable(words).map_err(|message| format!("{name} has {message}"))
}

fn find_unreadable(words: &[&str]) -> Result<(), String> {
    let mut before = "";
    for word in words {
        if !(word.starts_with(['-', '@']) || has_value_behind(before)) {
            return Err(format!(
                "'{word}', which Java takes for a class: remove it. The start script of the image splits options at their blanks"
            ));
        }
        before = word;
    }
    for option in ["-Xms", "-Xmx", "-Xmn"] {
        let size = heap::last(words, option).unwrap_or("0");
        // Some versions of Java read 0, and a number that begins with 0x.
        if !size.starts_with('0') && heap::bytes(size).is_none() {
            return Err(format!(
                "{option}{size}, which is no size that Java reads: write a whole number with k, m or g, as in {option}512m"
            ));
        }
    }
    match &collectors::on(words)[..] {
        [one, other, ..] => Err(format!(
            "-XX:+{one} and -XX:+{other}, and Java starts with one garbage collector: remove one of them"
        )),
        _ => Ok(()),
    }
}

fn has_value_behind(option: &str) -> bool {
    option.starts_with("--") || ["-cp", "-classpath", "-p"].contains(&option)
}

/// The start script ends for half of the pair, unless the image uses G1.
fn check_pair(variables: &[EnvVar]) -> Result<(), String> {
    let [max, young] = HEAP_PAIR;
    for (name, other) in [(max, young), (young, max)] {
        if literal(variables, name).is_some() && !is_set(variables, other) {
            return Err(format!(
                "{max} and {young} come in pairs, and {name} is alone, for which the start script of an image without G1 ends: write config.jvm-server-options.max_heap_size and heap_size_young_generation instead, or set {other} as well"
            ));
        }
    }
    Ok(())
}

/// Variables without an effect on the stock images, and the field to use instead.
pub fn unused(variables: &[EnvVar]) -> Vec<String> {
    let mut notes = Vec::new();
    if is_set(variables, HEAP_PAIR[0]) {
        notes.push("envVars MAX_HEAP_SIZE is not used by the start scripts of the stock images: the heap is a quarter of the memory limit, or that of the configuration; write config.jvm-server-options.max_heap_size, and remove the variable unless a script of the image or another variable reads it".to_owned());
    }
    if is_set(variables, HEAP_PAIR[1]) {
        notes.push("envVars HEAP_NEWSIZE is used by the start scripts of the stock images beside MAX_HEAP_SIZE and without G1 only; write config.jvm-server-options.heap_size_young_generation, and remove the variable unless a script of the image or another variable reads it".to_owned());
    }
    if has_any(&words(variables, FIRST), &["-Xms", "-Xmx"]) {
        notes.push(format!("-Xms and -Xmx of envVars {FIRST} are not used: the heap of the options files takes precedence; write config.jvm-server-options.max_heap_size"));
    }
    let set = OF_ENTRY_POINT
        .iter()
        .filter(|(name, _)| is_set(variables, name));
    notes.extend(set.map(|(name, instead)| {
        format!("envVars {name} is not used: pods start Cassandra with the configuration of the operator; remove the variable ({instead})")
    }));
    notes
}

/// Variables with which Cassandra starts or not, by the options of the image and of the configuration, and the field to use
/// instead.
pub fn doubtful(variables: &[EnvVar]) -> Vec<String> {
    let mut notes = Vec::new();
    for name in [FIRST, LAST] {
        for collector in collectors::on(&words(variables, name)) {
            notes.push(format!(
                "envVars {name} has -XX:+{collector}, and Java ends where the image selects another garbage collector: write -XX:+{collector} in the list config.jvm-server-options.additional-jvm-opts, which replaces that of the image"
            ));
        }
    }
    if has_any(&words(variables, FIRST), &["-Xmn"]) {
        notes.push(format!("envVars {FIRST} has -Xmn, and the start script of an image with G1 ends: write config.jvm-server-options.heap_size_young_generation"));
    }
    let last = words(variables, LAST);
    if has_any(&last, &["-Xms"]) != has_any(&last, &["-Xmx"]) {
        notes.push(format!("envVars {LAST} has one of -Xms and -Xmx, and Java ends where the other one, of the options files, contradicts it: write config.jvm-server-options.max_heap_size"));
    }
    if literal(variables, LOCAL_JMX).is_some_and(|value| value != "yes") {
        notes.push(format!("envVars {LOCAL_JMX} opens JMX to other machines, and Java ends unless the image or a pre_run.sh (configMapName) has the file {CONF}/jmxremote.password, or the options name another file or way of authentication: remove the variable where there is none"));
    }
    let folder = literal(variables, "CASSANDRA_CONF").unwrap_or(CONF);
    if folder.trim_end_matches('/') != CONF {
        notes.push(format!("envVars CASSANDRA_CONF is {folder}, and the operator writes the configuration of the node into {CONF}: unless the first is a link to the second in the image, remove the variable"));
    }
    notes
}

fn has_any(words: &[&str], options: &[&str]) -> bool {
    let has = |option: &&str| heap::last(words, option).is_some();
    options.iter().any(has)
}

/// The options in a variable, as the start script splits them.
fn words<'a>(variables: &'a [EnvVar], name: &str) -> Vec<&'a str> {
    let value = literal(variables, name).unwrap_or_default();
    value.split_whitespace().collect()
}

/// The value of a variable, unless it is empty or known in the pod only.
fn literal<'a>(variables: &'a [EnvVar], name: &str) -> Option<&'a str> {
    let value = find(variables, name)?.value.as_deref()?;
    (!value.is_empty() && !value.contains("$(")).then_some(value)
}

/// Whether a variable has a value, for all that is known: to the scripts an empty one is none.
fn is_set(variables: &[EnvVar], name: &str) -> bool {
    find(variables, name).is_some_and(|variable| {
        variable.value_from.is_some()
            || variable
                .value
                .as_deref()
                .is_some_and(|value| !value.is_empty())
    })
}

fn find<'a>(variables: &'a [EnvVar], name: &str) -> Option<&'a EnvVar> {
    variables.iter().find(|variable| variable.name == name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn variables(values: &Value) -> Vec<EnvVar> {
        let values = values.as_object().unwrap().iter();
        let variable = |(name, value): (&String, &Value)| {
            let value = match value.as_str() {
                Some(text) => json!({ "name": name, "value": text }),
                None => json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": "x" } } }),
            };
            serde_json::from_value(value).unwrap()
        };
        values.map(variable).collect()
    }

    #[test]
    fn variables_that_keep_cassandra_from_its_start_are_refused() {
        let mut said = Vec::new();
        for values in [
            json!({ "JVM_OPTS": "-XX:+UseG1GC -Xmn100m" }),
            json!({ "JVM_OPTS": "Xmx1g" }),
            json!({ "JVM_OPTS": "-Dname=two words" }),
            json!({ "JVM_OPTS": "-Xmx2GB" }),
            json!({ "JVM_OPTS": "-XX:+UseG1GC -XX:+UseZGC" }),
            json!({ "JVM_EXTRA_OPTS": "-Xms2g -Xmx1g" }),
            json!({ "MAX_HEAP_SIZE": "1G" }),
            json!({ "MAX_HEAP_SIZE": "", "HEAP_NEWSIZE": "1M" }),
            json!({ "JVM_OPTS": "Xmx1g", "JVM_EXTRA_OPTS": "Xmx2g", "MAX_HEAP_SIZE": "1G" }),
        ] {
            let found = contradictions(&variables(&values));
            assert!(!found.is_empty(), "{values}");
            let messages = found.iter().map(|found| format!("\n  {}", found.message));
            said.push(format!("{values}{}", messages.collect::<String>()));
        }
        insta::assert_snapshot!(said.join("\n"));
    }

    /// The stock scripts start with each of these, at least with the options of some images.
    #[test]
    fn variables_with_which_cassandra_may_start_are_accepted() {
        for values in [
            json!({ "JVM_OPTS": {}, "JVM_EXTRA_OPTS": "$(HEAP)" }),
            json!({ "JVM_OPTS": "-XX:+UseG1GC" }),
            json!({ "JVM_OPTS": "-XX:+UseZGC" }),
            json!({ "JVM_OPTS": "-Xmn100m" }),
            json!({ "JVM_OPTS": "-Xms2g -Xmx1g" }),
            json!({ "JVM_OPTS": "-Xms0 -cp /extra.jar @/options --add-opens java.base/java.io=ALL-UNNAMED" }),
            json!({ "JVM_EXTRA_OPTS": "-Xmx2g" }),
            json!({ "JVM_EXTRA_OPTS": "-Xms2g" }),
            json!({ "JVM_EXTRA_OPTS": "-Xmx2g -Xms1g" }),
            json!({ "JVM_EXTRA_OPTS": "-Xmn100m -XX:+UseG1GC" }),
            json!({ "HEAP_NEWSIZE": "some", "MAX_HEAP_SIZE": "1G" }),
            json!({ "HEAP_NEWSIZE": {}, "MAX_HEAP_SIZE": "1G" }),
            json!({ "MAX_HEAP_SIZE": {} }),
            json!({ "MAX_HEAP_SIZE": "", "HEAP_NEWSIZE": "$(YOUNG)" }),
            json!({ "LOCAL_JMX": "no" }),
            json!({ "CASSANDRA_CONF": "/opt/cassandra/conf" }),
            json!({ "JVM_OPTS": "", "LOCAL_JMX": "" }),
        ] {
            let found = contradictions(&variables(&values));
            assert_eq!(found, [], "{values}");
        }
    }

    #[test]
    fn only_the_named_variables_are_compared_as_they_are_judged() {
        let one =
            json!({ "MAX_HEAP_SIZE": "1G", "HEAP_NEWSIZE": "", "JVM_OPTS": "$(A)", "A": "x" });
        for (other, expected) in [
            (json!({ "MAX_HEAP_SIZE": "1G", "A": "y" }), [true, false]),
            (
                json!({ "MAX_HEAP_SIZE": "2G", "JVM_OPTS": {} }),
                [false, true],
            ),
            (
                json!({ "MAX_HEAP_SIZE": "1G", "HEAP_NEWSIZE": {}, "JVM_OPTS": "-Da=b" }),
                [false, false],
            ),
        ] {
            let (one, other) = (variables(&one), variables(&other));
            let found = [&HEAP_PAIR[..], &[FIRST]].map(|names| are_equal(names, &one, &other));
            assert_eq!(found, expected, "{other:?}");
        }
    }

    #[test]
    fn variables_without_an_effect_and_doubtful_ones_are_told() {
        let mut values = json!({
            "MAX_HEAP_SIZE": "1G", "HEAP_NEWSIZE": "1M", "JVM_OPTS": "-Xmx1g", "CASSANDRA_LOG_DIR": "/x",
        });
        for (name, _) in OF_ENTRY_POINT {
            values[name] = json!("x");
        }
        let doubts = json!({
            "JVM_OPTS": "-XX:+UseG1GC -Xmn1m", "JVM_EXTRA_OPTS": "-Xmx1g -XX:+UseZGC", "CASSANDRA_CONF": "/x",
            "LOCAL_JMX": "no",
        });
        let mut told = unused(&variables(&values));
        told.extend(doubtful(&variables(&doubts)));
        insta::assert_snapshot!(told.join("\n"));
        let fine = json!({
            "JVM_OPTS": "-Da=b", "JVM_EXTRA_OPTS": "-Xms1g -Xmx1g", "CASSANDRA_CONF": "/etc/cassandra/",
            "LOCAL_JMX": "yes",
        });
        let fine = variables(&fine);
        assert!(unused(&fine).is_empty() && doubtful(&fine).is_empty());
    }
}
