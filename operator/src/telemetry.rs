//! Structured logs.

use tracing_subscriber::{EnvFilter, fmt};

use crate::cli::{LogFormat, RunArgs};

/// Sets up logging to standard error.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn init(args: &RunArgs) -> Result<(), String> {
    let filter = EnvFilter::try_new(&args.log_level)
        .map_err(|error| format!("--log-level {}: {error}", args.log_level))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.init(),
    }
    Ok(())
}
