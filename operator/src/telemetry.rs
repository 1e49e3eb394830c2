//! Structured logs.

use clap::ValueEnum;
use tracing_subscriber::{filter::Targets, fmt, prelude::*};

/// Format of the log lines.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum LogFormat {
    /// One JSON object a line
    Json,
    /// For people
    Text,
}

/// Sets up logging to standard error.
///
/// # Errors
/// The filter cannot be parsed.
pub fn init(format: LogFormat, level: &str) -> Result<(), String> {
    let filter: Targets = level
        .parse()
        .map_err(|error| format!("--log-level {level}: {error}"))?;
    let logs = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Json => logs
            .with(layer.json().flatten_event(true).with_span_list(false))
            .init(),
        LogFormat::Text => logs.with(layer).init(),
    }
    Ok(())
}
