//! Help and usage, and that there is nothing more to them than the grammar.

use crate::run::run_alone;

macro_rules! shows {
    ($name:ident, $($argument:literal),*) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(run_alone(&[$($argument),*], &[]));
        }
    };
}

shows!(help, "--help");
shows!(short_help, "-h");
shows!(help_of_cleanup, "cleanup", "--help");
shows!(short_help_of_cleanup, "cleanup", "-h");
shows!(help_of_flush, "flush", "--help");
shows!(help_of_status, "status", "--help");
shows!(help_of_install, "install", "--help");
shows!(help_of_install_generate, "install", "generate", "--help");
shows!(help_of_migrate, "migrate", "-h");
shows!(help_of_migrate_check, "migrate", "check", "--help");
shows!(help_of_report, "report", "--help");
shows!(help_of_version, "version", "--help");
shows!(help_of_replace, "replace", "--help");
shows!(help_of_ring, "ring", "-h");
shows!(help_of_operations, "operations", "-h");
shows!(help_of_explain, "explain", "-h");
shows!(help_of_events, "events", "-h");
shows!(help_of_logs, "logs", "-h");
shows!(help_of_pause, "pause", "-h");
shows!(help_of_resume, "resume", "-h");
shows!(help_of_cancel, "cancel", "-h");
shows!(help_of_retry, "retry", "-h");
shows!(help_of_waive, "waive", "-h");
shows!(help_of_multi, "multi", "-h");
shows!(help_of_multi_status, "multi", "status", "-h");
shows!(help_of_multi_register, "multi", "register", "-h");
shows!(help_of_multi_unregister, "multi", "unregister", "-h");
shows!(help_of_wait, "wait", "-h");
shows!(help_of_pause_reconcile, "pause-reconcile", "-h");
shows!(help_of_resume_reconcile, "resume-reconcile", "-h");
shows!(help_of_completion, "completion", "-h");
shows!(version, "version");
shows!(nothing_given,);
shows!(mistyped_command, "claenup", "demo");
shows!(mistyped_flag, "cleanup", "demo", "--keyspce", "orders");
shows!(no_cluster, "cleanup");
shows!(impossible_cluster, "flush", "../secrets");
shows!(impossible_id, "flush", "demo", "--id", "a b");
shows!(
    tables_of_two_keyspaces,
    "flush",
    "demo",
    "--keyspace",
    "a",
    "--keyspace",
    "b",
    "--table",
    "t"
);
shows!(timeout_without_wait, "flush", "demo", "--timeout", "5m");
shows!(no_duration, "flush", "demo", "--wait", "--timeout", "soon");
shows!(watch_without_cluster, "status", "--watch");
shows!(
    watch_for_programs,
    "status",
    "demo",
    "--watch",
    "-o",
    "json"
);
