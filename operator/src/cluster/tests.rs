//! Complete reconciliations against a simulated API server.

mod api_server;
mod looks;
mod work;
