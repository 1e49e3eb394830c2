//! The only code that writes to the terminal: stdout is data, stderr is talk.

pub mod columns;
pub mod events;
pub mod explain;
pub mod multi;
pub mod operation;
pub mod operations;
pub mod plan;
pub mod region;
pub mod ring;
pub mod status;
pub mod style;
pub mod table;

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use crate::{
    cli::Color,
    error::{CliError, Kind, Result},
};
use style::{Style, Tone};

/// Where output goes and how it looks there.
pub struct Ui {
    /// Style of stdout.
    pub out: Style,
    /// Style of stderr.
    pub err: Style,
    /// Whether stdout is a terminal, which can be repainted.
    pub live_out: bool,
    /// Whether stderr is one.
    pub live_err: bool,
}

impl Ui {
    /// Looks at the streams and the environment once.
    pub fn new(color: Color) -> Self {
        let (live_out, live_err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            out: Style::new(color, live_out),
            err: Style::new(color, live_err),
            live_out: live_out && !style::dumb(),
            live_err: live_err && !style::dumb(),
        }
    }

    /// Writes data to stdout.
    ///
    /// # Errors
    /// When nobody reads it any more, or the disk is full.
    #[expect(clippy::unused_self, reason = "whoever prints has a Ui")]
    pub fn data(&self, text: &str) -> Result<()> {
        let mut stdout = io::stdout().lock();
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        write!(stdout, "{text}{newline}")
            .and_then(|()| stdout.flush())
            .map_err(|error| not_written(&error))
    }

    /// Tells people something on stderr.
    #[expect(clippy::unused_self, reason = "whoever prints has a Ui")]
    pub fn say(&self, text: &str) {
        // Nobody is left to be told that stderr is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// A thing that needs attention but is no failure.
    pub fn warn(&self, text: &str) {
        self.say(&format!(
            "{} {text}",
            self.err.paint(Tone::Busy, "warning:")
        ));
    }

    /// Tells why the command ends without success, and the exit code.
    pub fn fail(&self, error: &CliError) -> ExitCode {
        if error.kind != Kind::BrokenPipe {
            self.say(&format!(
                "{} {}",
                self.err.paint(Tone::Bad, "error:"),
                error.message
            ));
            for hint in &error.hints {
                self.say(&format!("{} {hint}", self.err.paint(Tone::Hint, "hint:")));
            }
        }
        ExitCode::from(error.exit_code())
    }
}

/// Help, version, and what clap has to say about wrong usage.
pub fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// How a failed write ends the command: quietly, if the reader has seen enough.
fn not_written(error: &io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::new(Kind::BrokenPipe, "nobody reads the output"),
        _ => CliError::failed(format!("cannot write the output: {error}")),
    }
}
