//! The asynchronous runtime of the commands that call the API server.

use std::future::Future;

use crate::error::{CliError, Result};

/// Runs the part of a command that calls the API server.
///
/// # Errors
/// Those of `work`; or when the system refuses the resources of a runtime.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("cannot start: {error}")))?;
    let result = runtime.block_on(work);
    // A pending name resolution must not delay the exit.
    runtime.shutdown_background();
    result
}
