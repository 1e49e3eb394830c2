//! Named JVM options of `spec.config`: the keys of the config builder of the Go `CassKop`, and the option of each one. Only
//! options of Java 11 and 17 are written: Java ends with one that it does not know.

use serde_json::Value;

/// The effect of a key.
enum Effect {
    /// `true` or `false` switches an option of Java on or off.
    Switch(&'static str),
    /// `true` switches an option of Java off: the key has the name of the feature that the option switches off.
    SwitchOff(&'static str),
    /// The same for an option that Java takes only after the one that unlocks it.
    Unlocked(&'static str),
    /// Text before the value.
    Prefix(&'static str),
    /// The collector of this name is used.
    Collector,
    /// `-ea` or `-da`.
    Assertions,
    /// Nothing: the start script of Cassandra 4.0 and later writes the log of the garbage collector unless an option says
    /// otherwise.
    OnAlready,
    /// Nothing, and a warning: neither Java 11 nor a later one has the option, or a field of the spec determines it.
    Unused(&'static str),
    /// The key is refused.
    Refused(&'static str),
}

use Effect::{
    Assertions, Collector, OnAlready, Prefix, Refused, Switch, SwitchOff, Unlocked, Unused,
};

const OF_JAVA_8: &str = "Java 8 had it";
const LOG_ROTATES: &str = "the log of the garbage collector rotates already";

/// Keys as `cass-config-builder` 1.0 reads them, for `jvm.options` of 3.11 and the options files of 4.0. Words are
/// separated by `_` here; a key may have `-` instead.
const KEYS: [(&str, Effect); 63] = [
    ("initial_heap_size", Prefix("-Xms")),
    ("max_heap_size", Prefix("-Xmx")),
    ("heap_size_young_generation", Prefix("-Xmn")),
    ("per_thread_stack_size", Prefix("-Xss")),
    ("max_direct_memory", Prefix("-XX:MaxDirectMemorySize=")),
    ("string_table_size", Prefix("-XX:StringTableSize=")),
    ("garbage_collector", Collector),
    ("max_gc_pause_millis", Prefix("-XX:MaxGCPauseMillis=")),
    (
        "initiating_heap_occupancy_percent",
        Prefix("-XX:InitiatingHeapOccupancyPercent="),
    ),
    (
        "g1r_set_updating_pause_time_percent",
        Prefix("-XX:G1RSetUpdatingPauseTimePercent="),
    ),
    ("conc_gc_threads", Prefix("-XX:ConcGCThreads=")),
    ("parallel_gc_threads", Prefix("-XX:ParallelGCThreads=")),
    ("survivor_ratio", Prefix("-XX:SurvivorRatio=")),
    (
        "max_tenuring_threshold",
        Prefix("-XX:MaxTenuringThreshold="),
    ),
    ("always_pre_touch", Switch("AlwaysPreTouch")),
    (
        "heap_dump_on_out_of_memory_error",
        Switch("HeapDumpOnOutOfMemoryError"),
    ),
    (
        "crash_on_out_of_memory_error",
        Switch("CrashOnOutOfMemoryError"),
    ),
    (
        "exit_on_out_of_memory_error",
        Switch("ExitOnOutOfMemoryError"),
    ),
    ("use_tlb", Switch("UseTLAB")),
    ("resize_tlb", Switch("ResizeTLAB")),
    ("use_numa", Switch("UseNUMA")),
    ("perf_disable_shared_mem", Switch("PerfDisableSharedMem")),
    ("use_thread_priorities", Switch("UseThreadPriorities")),
    ("preserve_frame_pointer", Switch("PreserveFramePointer")),
    (
        "unlock_diagnostic_vm_options",
        Switch("UnlockDiagnosticVMOptions"),
    ),
    ("use_biased_locking", SwitchOff("UseBiasedLocking")),
    ("restrict_contended", SwitchOff("RestrictContended")),
    ("debug_non_safepoints", Unlocked("DebugNonSafepoints")),
    ("log_compilation", Unlocked("LogCompilation")),
    (
        "guaranteed_safepoint_interval",
        Unlocked("GuaranteedSafepointInterval"),
    ),
    ("enable_assertions", Assertions),
    (
        "java_net_prefer_ipv4_stack",
        Prefix("-Djava.net.preferIPv4Stack="),
    ),
    (
        "page_align_direct_memory",
        Prefix("-Dsun.nio.PageAlignDirectMemory="),
    ),
    (
        "jdk_nio_maxcachedbuffersize",
        Prefix("-Djdk.nio.maxCachedBufferSize="),
    ),
    (
        "jdk_attach_allow_attach_self",
        Prefix("-Djdk.attach.allowAttachSelf="),
    ),
    (
        "io_netty_eventloop_maxpendingtasks",
        Prefix("-Dio.netty.eventLoop.maxPendingTasks="),
    ),
    (
        "io_netty_try_reflection_set_accessible",
        Prefix("-Dio.netty.tryReflectionSetAccessible="),
    ),
    (
        "print_heap_histogram_on_out_of_memory_error",
        Prefix("-Dcassandra.printHeapHistogramOnOutOfMemoryError="),
    ),
    (
        "cassandra_metrics_reporter_config_file",
        Prefix("-Dcassandra.metricsReporterConfigFile="),
    ),
    ("cassandra_max_hint_ttl", Prefix("-Dcassandra.maxHintTTL=")),
    ("cassandra_replay_list", Prefix("-Dcassandra.replayList=")),
    ("log_gc", OnAlready),
    (
        "cassandra_config_directory",
        Refused("the operator writes the configuration of the node"),
    ),
    (
        "cassandra_replace_address",
        Refused(
            "it would hold for each node of the rack: kubectl casskop replace CLUSTER --pod POD",
        ),
    ),
    (
        "cassandra_replace_address_first_boot",
        Refused(
            "it would hold for each node of the rack: kubectl casskop replace CLUSTER --pod POD",
        ),
    ),
    ("use_gc_log_file_rotation", Unused(LOG_ROTATES)),
    ("gc_log_file_size", Unused(LOG_ROTATES)),
    ("number_of_gc_log_files", Unused(LOG_ROTATES)),
    ("print_flss_statistics", Unused(OF_JAVA_8)),
    ("print_heap_at_gc", Unused(OF_JAVA_8)),
    ("print_gc_application_stopped_time", Unused(OF_JAVA_8)),
    ("print_promotion_failure", Unused(OF_JAVA_8)),
    ("print_tenuring_distribution", Unused(OF_JAVA_8)),
    ("print_gc_details", Unused(OF_JAVA_8)),
    ("unlock_commercial_features", Unused(OF_JAVA_8)),
    // As the config builder spells it.
    ("unlock_commerical_features", Unused(OF_JAVA_8)),
    ("flight_recorder", Unused("jcmd starts a recording")),
    ("thread_priority_policy_42", Unused(OF_JAVA_8)),
    (
        "cms_initiating_occupancy_fraction",
        Unused("Java 17 has no CMS"),
    ),
    ("cms_wait_duration", Unused("Java 17 has no CMS")),
    (
        "agent_lib_jdwp",
        Unused("a debugger would be open to every pod; additional-jvm-opts accepts the option"),
    ),
    (
        "jmx_connection_type",
        Unused("jmxConfiguration determines it"),
    ),
    (
        "jmx_remote_ssl_opts",
        Unused("jmxConfiguration determines it"),
    ),
];

/// Collectors by the names of the config builder.
const COLLECTORS: [(&str, &str); 3] = [
    ("G1GC", "-XX:+UseG1GC"),
    ("ZGC", "-XX:+UnlockExperimentalVMOptions -XX:+UseZGC"),
    (
        "Shenandoah",
        "-XX:+UnlockExperimentalVMOptions -XX:+UseShenandoahGC",
    ),
];

fn effect(key: &str) -> Option<&'static Effect> {
    let plain = key.replace('-', "_");
    let mut keys = KEYS.iter();
    keys.find(|(known, _)| *known == plain)
        .map(|(_, effect)| effect)
}

/// The reason why a key is accepted and not used.
pub fn unused(key: &str) -> Option<&'static str> {
    match effect(key) {
        Some(Unused(why)) => Some(why),
        _ => None,
    }
}

/// The option of a key, if it yields one.
///
/// # Errors
/// When the key is none, or when the value is not one of the key.
pub fn option(key: &str, value: &Value) -> Result<Option<String>, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => return Err(format!("{key} is not text, a number or a boolean")),
    };
    let is_on = || match text.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{key} is true or false, not '{text}'")),
    };
    let switch = |name: &str, is_on: bool| format!("-XX:{}{name}", if is_on { '+' } else { '-' });
    Ok(Some(match effect(key) {
        Some(Prefix(prefix)) => format!("{prefix}{text}"),
        Some(Switch(name)) => switch(name, is_on()?),
        Some(SwitchOff(name)) => switch(name, !is_on()?),
        Some(Unlocked(name)) => {
            let option = if is_on().is_ok() {
                switch(name, is_on()?)
            } else {
                format!("-XX:{name}={text}")
            };
            format!("-XX:+UnlockDiagnosticVMOptions {option}")
        }
        Some(Assertions) => if is_on()? { "-ea" } else { "-da" }.to_owned(),
        Some(Collector) => collector(key, &text)?,
        Some(OnAlready) => {
            is_on()?;
            return Ok(None);
        }
        Some(Unused(_)) => return Ok(None),
        Some(Refused(why)) => return Err(format!("{key} cannot be set: {why}")),
        None => match key.strip_prefix("cassandra_") {
            Some(property) => format!("-Dcassandra.{property}={text}"),
            None => return Err(unknown(key)),
        },
    }))
}

fn collector(key: &str, name: &str) -> Result<String, String> {
    let mut known = COLLECTORS.iter();
    let found = known.find(|(known, _)| known.eq_ignore_ascii_case(name));
    let names = COLLECTORS.map(|(name, _)| name).join(", ");
    found
        .map(|(_, option)| (*option).to_owned())
        .ok_or_else(|| format!("{key} is one of {names}, not '{name}': Java 17 has no other one"))
}

fn unknown(key: &str) -> String {
    format!(
        "{key} is not known: use max_heap_size or another key of the config builder of the Go CassKop, \
         cassandra_<property>, or additional-jvm-opts with any option"
    )
}

/// Each key, with a value of it, for tests.
pub fn examples() -> Vec<(&'static str, Value)> {
    use serde_json::json;

    let value = |(key, effect): &(&'static str, Effect)| {
        let value = match effect {
            Collector => json!("ZGC"),
            Unlocked("GuaranteedSafepointInterval") => json!(300_000),
            Prefix(prefix) if prefix.starts_with("-X") => match *key {
                "initial_heap_size" | "max_heap_size" => json!("64M"),
                "heap_size_young_generation" => json!("16M"),
                "per_thread_stack_size" => json!("256k"),
                "max_direct_memory" => json!("32M"),
                "string_table_size" => json!("1000003"),
                _ => json!(2),
            },
            _ => json!(true),
        };
        (*key, value)
    };
    KEYS.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_key_yields_an_option_or_a_reason() {
        let told: Vec<String> = examples()
            .into_iter()
            .map(|(key, value)| match (option(key, &value), unused(key)) {
                (Ok(Some(line)), None) => format!("{key}: {line}"),
                (Ok(None), Some(why)) => format!("{key}: not used: {why}"),
                (Ok(None), None) => format!("{key}: on already"),
                (Err(why), None) => format!("refused: {why}"),
                both => unreachable!("{key}: {both:?}"),
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn values_may_be_text_and_words_joined_by_hyphens() {
        for (key, value, line) in [
            ("always_pre_touch", json!("false"), "-XX:-AlwaysPreTouch"),
            (
                "preserve-frame-pointer",
                json!(true),
                "-XX:+PreserveFramePointer",
            ),
            ("use-biased-locking", json!("true"), "-XX:-UseBiasedLocking"),
            (
                "cassandra_ring_delay_ms",
                json!(5000),
                "-Dcassandra.ring_delay_ms=5000",
            ),
            ("garbage_collector", json!("g1gc"), "-XX:+UseG1GC"),
        ] {
            assert_eq!(option(key, &value), Ok(Some(line.to_owned())));
        }
        assert_eq!(option("log_gc", &json!("true")), Ok(None));
    }

    #[test]
    fn a_value_that_is_none_of_the_key_is_refused() {
        for (key, value, word) in [
            ("always_pre_touch", json!("yes"), "true or false"),
            ("garbage_collector", json!("CMS"), "G1GC, ZGC, Shenandoah"),
            ("garbage_collector", json!(true), "G1GC"),
            ("max_heap_size", json!({}), "is not text"),
            (
                "cassandra_replace_address",
                json!("10.0.0.1"),
                "casskop replace",
            ),
            ("heap", json!("1G"), "additional-jvm-opts"),
        ] {
            let why = option(key, &value).unwrap_err();
            assert!(why.contains(word) && why.contains(key), "{why}");
        }
    }
}
