//! Complete reconciliations against a simulated API server.

mod api_server;
mod deletion;
mod reconcile_reads;
mod secrets;
mod task_recovery;
