//! Options of the JVM as a `K8ssandraCluster` names them.

use casskop_common::quantity;
use serde_json::Value;

use crate::model::migrate::{
    config::{self, MORE_OPTIONS, MORE_SECTION},
    draft::{Draft, Place},
    path::{Leaf, Part},
    table::{Verdict, word},
};

const OF_3_11: &str = "only Cassandra 3.11 has it";
const BY_JMX: &str = "jmxConfiguration determines it";

/// Names there, and the keys of the options here. Names that are the same as here are left out.
const NAMES: [(&str, &str); 36] = [
    ("heap_initial_size", "initial_heap_size"),
    ("heap_max_size", "max_heap_size"),
    ("vm_enable_assertions", "enable_assertions"),
    ("vm_enable_thread_priorities", "use_thread_priorities"),
    (
        "vm_heap_dump_on_out_of_memory_error",
        "heap_dump_on_out_of_memory_error",
    ),
    ("vm_per_thread_stack_size", "per_thread_stack_size"),
    ("vm_string_table_size", "string_table_size"),
    ("vm_always_pre_touch", "always_pre_touch"),
    ("vm_disable_biased_locking", "use_biased_locking"),
    ("vm_use_tlab", "use_tlb"),
    ("vm_resize_tlab", "resize_tlb"),
    ("vm_disable_perf_shared_mem", "perf_disable_shared_mem"),
    ("vm_prefer_ipv4", "java_net_prefer_ipv4_stack"),
    ("vm_use_numa", "use_numa"),
    (
        "vm_print_heap_histogram_on_out_of_memory_error",
        "print_heap_histogram_on_out_of_memory_error",
    ),
    (
        "vm_exit_on_out_of_memory_error",
        "exit_on_out_of_memory_error",
    ),
    (
        "vm_crash_on_out_of_memory_error",
        "crash_on_out_of_memory_error",
    ),
    (
        "vm_guaranteed_safepoint_interval_ms",
        "guaranteed_safepoint_interval",
    ),
    (
        "netty_eventloop_maxpendingtasks",
        "io_netty_eventloop_maxpendingtasks",
    ),
    (
        "netty_try_reflection_set_accessible",
        "io_netty_try_reflection_set_accessible",
    ),
    ("nio_maxcachedbuffersize", "jdk_nio_maxcachedbuffersize"),
    ("nio_align_direct_memory", "page_align_direct_memory"),
    ("jdk_allow_attach_self", "jdk_attach_allow_attach_self"),
    ("cassandra_triggers_directory", "cassandra_triggers_dir"),
    ("cassandra_max_hint_ttl_seconds", "cassandra_max_hint_ttl"),
    ("gc", "garbage_collector"),
    (
        "gc_g1_rset_updating_pause_time_percent",
        "g1r_set_updating_pause_time_percent",
    ),
    ("gc_g1_max_gc_pause_ms", "max_gc_pause_millis"),
    (
        "gc_g1_initiating_heap_occupancy_percent",
        "initiating_heap_occupancy_percent",
    ),
    ("gc_g1_parallel_threads", "parallel_gc_threads"),
    ("gc_g1_conc_threads", "conc_gc_threads"),
    ("debug_disable_contended_annotations", "restrict_contended"),
    ("debug_non_safepoints", "debug_non_safepoints"),
    (
        "debug_unlock_diagnostic_vm_options",
        "unlock_diagnostic_vm_options",
    ),
    ("debug_log_compilation", "log_compilation"),
    ("debug_preserve_frame_pointer", "preserve_frame_pointer"),
];
/// The properties of Cassandra, whose names are the same.
const SAME: [&str; 9] = [
    "cassandra_available_processors",
    "cassandra_metrics_reporter_config_file",
    "cassandra_ring_delay_ms",
    "cassandra_write_survey",
    "cassandra_disable_auth_caches_remote_configuration",
    "cassandra_force_default_indexing_page_size",
    "cassandra_force_3_0_protocol_version",
    "cassandra_expiration_date_overflow_policy",
    "cassandra_replay_list",
];
/// Names without an option here, and why.
const UNUSED: [(&str, &str); 26] = [
    ("vm_enable_non_root_thread_priority", OF_3_11),
    ("heapNewGenSize", OF_3_11),
    ("gc_cms_heap_size_young_generation", OF_3_11),
    ("gc_cms_survivor_ratio", OF_3_11),
    ("gc_cms_max_tenuring_threshold", OF_3_11),
    ("gc_cms_initiating_occupancy_fraction", OF_3_11),
    ("gc_cms_wait_duration_ms", OF_3_11),
    ("gc_print_details", OF_3_11),
    ("gc_print_date_stamps", OF_3_11),
    ("gc_print_heap", OF_3_11),
    ("gc_print_tenuring_distribution", OF_3_11),
    ("gc_print_application_stopped_time", OF_3_11),
    ("gc_print_promotion_failure", OF_3_11),
    ("gc_print_flss_statistics", OF_3_11),
    ("gc_print_use_log_file", OF_3_11),
    ("gc_print_use_log_file_rotation", OF_3_11),
    ("gc_print_number_of_log_files", OF_3_11),
    ("gc_print_log_file_size", OF_3_11),
    ("jmx_port", BY_JMX),
    ("jmx_connection_type", BY_JMX),
    ("jmx_remote_ssl", BY_JMX),
    ("jmx_remote_ssl_opts", BY_JMX),
    ("jmx_remote_ssl_require_client_auth", BY_JMX),
    ("debug_unlock_commercial_features", "Java 8 had it"),
    ("debug_enable_flight_recorder", "jcmd starts a recording"),
    (
        "debug_listen_remote_debuggers",
        "a debugger would be open to every pod",
    ),
];
/// Lists of further options, and the section here that has them.
const LISTS: [(&str, &str); 3] = [
    ("additionalOptions", MORE_SECTION),
    ("additionalJvmServerOptions", MORE_SECTION),
    ("additionalJvm11ServerOptions", "jvm11-server-options"),
];

/// The verdict about an option, `config.jvmOptions.<name>`.
pub fn judge(leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let Some(Part::Key(name)) = leaf.path.0.get(2) else {
        return Verdict::ignored("it asks for nothing");
    };
    let is_name = |(known, _): &&(&str, &'static str)| known == name;
    if let Some((_, why)) = UNUSED.iter().find(is_name) {
        return Verdict::ignored(*why);
    }
    if let Some((_, section)) = LISTS.iter().find(is_name) {
        let place = Place::of("dc.config").key(section).key(MORE_OPTIONS);
        let place = place.then(&leaf.path.below(3), leaf.path.lists());
        return draft.written(
            place,
            leaf.value.clone(),
            Verdict::by(format!("config.{section}.{MORE_OPTIONS}")),
        );
    }
    if leaf.path.0.len() != 3 {
        return Verdict::refused("it is not one value", "write one value");
    }
    match name.as_str() {
        "heapSize" => {
            let first = named("initial_heap_size", leaf, draft);
            if first.is_in_the_way() {
                first
            } else {
                named("max_heap_size", leaf, draft)
            }
        }
        "additionalJvm8ServerOptions" => Verdict::ignored(OF_3_11),
        "gc" if word(leaf.value) == "Custom" => {
            Verdict::ignored("the further options choose the collector")
        }
        name => {
            let mut keys = NAMES.iter();
            let key = keys.find(|(known, _)| *known == name).map(|(_, key)| *key);
            match key.or(SAME.iter().find(|same| **same == name).copied()) {
                Some(key) => named(key, leaf, draft),
                None => Verdict::Unknown {
                    next: "remove it".into(),
                },
            }
        }
    }
}

fn named(key: &'static str, leaf: &Leaf<'_>, draft: &mut Draft) -> Verdict {
    let value = match key {
        "initial_heap_size" | "max_heap_size" | "per_thread_stack_size" => size(leaf.value),
        "string_table_size" | "jdk_nio_maxcachedbuffersize" => number(leaf.value),
        _ => leaf.value.clone(),
    };
    let verdict = config::option(key, &value);
    if verdict != Verdict::Supported {
        return verdict;
    }
    let place = Place::of("dc.config").key(MORE_SECTION).key(key);
    draft.written(
        place,
        value,
        Verdict::by(format!("config.{MORE_SECTION}.{key}")),
    )
}

/// A quantity as Java writes a size: whole mebibytes, kibibytes or bytes.
fn size(value: &Value) -> Value {
    const KIBI: i64 = 1024;
    match quantity::parse(&word(value)) {
        Some(bytes) if bytes > 0 && bytes % (KIBI * KIBI) == 0 => {
            format!("{}M", bytes / KIBI / KIBI).into()
        }
        Some(bytes) if bytes > 0 && bytes % KIBI == 0 => format!("{}k", bytes / KIBI).into(),
        Some(bytes) => bytes.to_string().into(),
        None => value.clone(),
    }
}

fn number(value: &Value) -> Value {
    quantity::parse(&word(value)).map_or_else(|| value.clone(), Value::from)
}
