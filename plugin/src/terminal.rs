//! The only code that writes to the terminal: data to stdout, messages to stderr.

pub mod colors;
pub mod columns;
pub mod prompt;
pub mod region;

use std::{
    io::{self, IsTerminal, Stderr, Stdout, Write},
    process::ExitCode,
};

use crate::error::{CliError, Kind, Result};
use colors::{Color, Style, Tone};

/// The destination of the output, and its style there.
pub struct Ui {
    stdout: Stdout,
    stderr: Stderr,
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
    /// Reads the streams and the environment once.
    pub fn new(color: Color) -> Self {
        let (live_out, live_err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            stdout: io::stdout(),
            stderr: io::stderr(),
            out: Style::new(color, live_out),
            err: Style::new(color, live_err),
            live_out: live_out && !colors::dumb(),
            live_err: live_err && !colors::dumb(),
        }
    }

    /// Writes data to stdout.
    ///
    /// # Errors
    /// When the reader has closed stdout, or the disk is full.
    pub fn data(&self, text: &str) -> Result<()> {
        let mut stdout = self.stdout.lock();
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        write!(stdout, "{text}{newline}")
            .and_then(|()| stdout.flush())
            .map_err(|error| not_written(&error))
    }

    /// Writes a message to stderr.
    pub fn say(&self, text: &str) {
        // A closed stderr cannot be reported.
        let _ = writeln!(self.stderr.lock(), "{text}");
    }

    /// Writes a warning to stderr.
    pub fn warn(&self, text: &str) {
        self.say(&format!(
            "{} {text}",
            self.err.paint(Tone::Busy, "warning:")
        ));
    }

    /// Writes an error with its next steps to stderr, and returns the exit code.
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

/// Prints help, version or a usage error of clap.
pub fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// The error of a failed write; silent if the reader has closed stdout.
fn not_written(error: &io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => {
            CliError::new(Kind::BrokenPipe, "the reader of the output is gone")
        }
        _ => CliError::failed(format!("cannot write the output: {error}")),
    }
}
