//! Environment variables of the user, judged as the start scripts of the stock image and Java read them.

use k8s_openapi::api::core::v1::EnvVar;

use super::jvm_options::{self, collectors, heap};

/// Options in front of those of the options files. The start script judges both together.
const FIRST: &str = "JVM_OPTS";
/// Options behind all others. Only Java judges them.
const LAST: &str = "JVM_EXTRA_OPTS";
/// Sizes that the start script expects in a pair, unless the image uses G1.
const HEAP_PAIR: [&str; 2] = ["MAX_HEAP_SIZE", "HEAP_NEWSIZE"];
/// Folder of the configuration that the operator writes.
const CONF: &str = "/etc/cassandra";
/// Options behind the start script's own with which JMX needs no password file.
const JMX_WITHOUT_FILE: [&str; 3] = [
    "-Dcom.sun.management.jmxremote.authenticate=false",
    "-Dcom.sun.management.jmxremote.password.file=",
    "-Dcassandra.jmx.remote.login.config=",
];
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

/// Checks that Cassandra starts with the variables. A value that is known in the pod only (`valueFrom`, `$(NAME)`) is not
/// judged. The image or a script of the user may put a file of JMX passwords into the configuration.
///
/// # Errors
/// The reason, with the field to use instead.
pub fn check(variables: &[EnvVar], may_have_jmx_passwords: bool) -> Result<(), String> {
    if let Some(options) = literal(variables, FIRST) {
        check_first(options)?;
    }
    if let Some(options) = literal(variables, LAST) {
        check_last(options)?;
    }
    check_young_generation(variables)?;
    if let Some(folder) = literal(variables, "CASSANDRA_CONF")
        && folder.trim_end_matches('/') != CONF
    {
        return Err(format!(
            "CASSANDRA_CONF is {folder}, and the operator writes the configuration of the node into {CONF}: remove the variable"
        ));
    }
    check_jmx(variables, may_have_jmx_passwords)
}

fn check_first(options: &str) -> Result<(), String> {
    let words = check_options(FIRST, options)?;
    match heap::last(&words, "-Xmn") {
        Some(size) => Err(format!(
            "{FIRST} has -Xmn{size}, with which the start script of the image ends beside G1: write config.jvm-server-options.heap_size_young_generation: {size}"
        )),
        None => Ok(()),
    }
}

fn check_last(options: &str) -> Result<(), String> {
    let words = check_options(LAST, options)?;
    let sizes = ["-Xms", "-Xmx"].map(|option| heap::last(&words, option));
    match sizes {
        [Some(_), None] | [None, Some(_)] => Err(format!(
            "{LAST} has one of -Xms and -Xmx, and the other one, of the options files, may contradict it: \
             write config.jvm-server-options.max_heap_size instead, or both options"
        )),
        _ => Ok(()),
    }
}

/// The options, if Java starts with them whatever the image has.
fn check_options<'a>(name: &str, options: &'a str) -> Result<Vec<&'a str>, String> {
    let words: Vec<&str> = options.split_whitespace().collect();
    let stray = words.first().filter(|word| !word.starts_with('-'));
    if let Some(word) = stray {
        return Err(format!(
            "{name} has '{word}', which is no JVM option: remove it"
        ));
    }
    let of = |message| format!("{name}: {message}");
    jvm_options::check_words(options).map_err(of)?;
    heap::check(&words).map_err(of)?;
    match collectors::on(&words).first() {
        Some(collector) => Err(format!(
            "{name} has -XX:+{collector}, and Java ends where the image selects another garbage collector: \
             write -XX:+{collector} in the list config.jvm-server-options.additional-jvm-opts, which replaces that of the image"
        )),
        None => Ok(words),
    }
}

fn check_young_generation(variables: &[EnvVar]) -> Result<(), String> {
    let size = literal(variables, HEAP_PAIR[1]).filter(|_| !is_half_pair(variables));
    match size.filter(|size| heap::bytes(size).is_none()) {
        Some(size) => Err(format!(
            "HEAP_NEWSIZE is {size}, which is no size that Java reads: write a whole number above 0 with k, m or g, as in 512m"
        )),
        None => Ok(()),
    }
}

/// The start script opens JMX to other machines, with the passwords of a file, for every value but `yes`.
fn check_jmx(variables: &[EnvVar], may_have_passwords: bool) -> Result<(), String> {
    let is_local = literal(variables, "LOCAL_JMX").is_none_or(|value| value == "yes");
    let mut last = literal(variables, LAST)
        .unwrap_or_default()
        .split_whitespace();
    let needs_no_file = last.any(|word| {
        JMX_WITHOUT_FILE
            .iter()
            .any(|option| word.starts_with(option))
    });
    let last_is_unknown = is_set(variables, LAST) && literal(variables, LAST).is_none();
    if is_local || needs_no_file || last_is_unknown || may_have_passwords {
        return Ok(());
    }
    Err(format!(
        "LOCAL_JMX opens JMX to other machines, for which Cassandra needs the file {CONF}/jmxremote.password, and the image has none: \
         remove the variable, or write the file by a pre_run.sh (configMapName), or name another one in {LAST}: {}PATH",
        JMX_WITHOUT_FILE[1]
    ))
}

/// The variables as the Cassandra container gets them. Half of the pair of sizes has no effect, and the start script ends
/// because of it unless the image uses G1.
pub fn passed(variables: &[EnvVar]) -> impl Iterator<Item = &EnvVar> {
    let is_half = is_half_pair(variables);
    variables
        .iter()
        .filter(move |variable| !is_half || !HEAP_PAIR.contains(&variable.name.as_str()))
}

fn is_half_pair(variables: &[EnvVar]) -> bool {
    let [max, young] = HEAP_PAIR.map(|name| is_set(variables, name));
    max != young
}

/// Variables without an effect, and the field to use instead.
pub fn unused(variables: &[EnvVar]) -> Vec<String> {
    let mut notes = Vec::new();
    if is_set(variables, HEAP_PAIR[0]) {
        notes.push("envVars MAX_HEAP_SIZE is not used: the heap is a quarter of the memory limit, or that of the configuration; write config.jvm-server-options.max_heap_size, and remove the variable".to_owned());
    }
    if is_set(variables, HEAP_PAIR[1]) {
        notes.push("envVars HEAP_NEWSIZE is used beside MAX_HEAP_SIZE with the CMS collector only; write config.jvm-server-options.heap_size_young_generation, and remove the variable".to_owned());
    }
    let first = literal(variables, FIRST).unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    if ["-Xms", "-Xmx"]
        .iter()
        .any(|option| heap::last(&words, option).is_some())
    {
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
            json!({ "JVM_OPTS": "-Xmn100m" }),
            json!({ "JVM_OPTS": "Xmx1g" }),
            json!({ "JVM_OPTS": "-Dname=two words" }),
            json!({ "JVM_OPTS": "-Xmx2GB" }),
            json!({ "JVM_OPTS": "-XX:+UseZGC" }),
            json!({ "JVM_EXTRA_OPTS": "-Xmx2g" }),
            json!({ "JVM_EXTRA_OPTS": "-Xms2g -Xmx1g" }),
            json!({ "HEAP_NEWSIZE": "some", "MAX_HEAP_SIZE": "1G" }),
            json!({ "CASSANDRA_CONF": "/opt/cassandra/conf" }),
            json!({ "LOCAL_JMX": "no" }),
        ] {
            let message = check(&variables(&values), false).unwrap_err();
            said.push(format!("{values}\n  {message}"));
        }
        insta::assert_snapshot!(said.join("\n"));
        for (has_passwords, values) in [
            (
                false,
                json!({ "JVM_OPTS": {}, "JVM_EXTRA_OPTS": "$(HEAP)" }),
            ),
            (false, json!({ "JVM_EXTRA_OPTS": "-Xmx2g -Xms1g" })),
            (false, json!({ "JVM_OPTS": "", "LOCAL_JMX": "" })),
            (false, json!({ "CASSANDRA_CONF": "/etc/cassandra/" })),
            (false, json!({ "LOCAL_JMX": "no", "JVM_EXTRA_OPTS": {} })),
            (true, json!({ "LOCAL_JMX": "no" })),
        ] {
            assert_eq!(
                check(&variables(&values), has_passwords),
                Ok(()),
                "{values}"
            );
        }
    }

    #[test]
    fn half_of_a_pair_is_not_passed_on() {
        let names = |values: &Value| {
            let variables = variables(values);
            let names = passed(&variables).map(|variable| variable.name.clone());
            names.collect::<Vec<_>>().join(" ")
        };
        for (values, expected) in [
            (json!({ "A": "1", "MAX_HEAP_SIZE": "1G" }), "A"),
            (json!({ "HEAP_NEWSIZE": {}, "MAX_HEAP_SIZE": "" }), ""),
            (
                json!({ "HEAP_NEWSIZE": "1M", "MAX_HEAP_SIZE": {} }),
                "HEAP_NEWSIZE MAX_HEAP_SIZE",
            ),
        ] {
            assert_eq!(names(&values), expected, "{values}");
        }
    }

    #[test]
    fn variables_without_an_effect_are_told() {
        let mut values = json!({
            "MAX_HEAP_SIZE": "1G", "HEAP_NEWSIZE": "1M", "JVM_OPTS": "-Xmx1g", "CASSANDRA_LOG_DIR": "/x",
        });
        for (name, _) in OF_ENTRY_POINT {
            values[name] = json!("x");
        }
        insta::assert_snapshot!(unused(&variables(&values)).join("\n"));
        assert!(unused(&variables(&json!({ "JVM_OPTS": "-Da=b" }))).is_empty());
    }
}
