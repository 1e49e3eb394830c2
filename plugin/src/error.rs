//! Errors of commands: a message, next steps and the exit code.

/// Why the command ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command failed or was refused.
    Failed,
    /// The API server did not answer: the result of the call is unknown.
    NoAnswer,
    /// The command was called wrongly.
    Usage,
    /// `--timeout` passed; the operation continues.
    TimedOut,
    /// Ctrl-C; the operation continues.
    Interrupted,
    /// The reader of stdout has closed it; no message is printed.
    BrokenPipe,
}

/// An error: the attempt, its object, the cause, and next steps.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// The cause.
    pub kind: Kind,
    /// The attempt, its object, and the cause of the failure.
    pub message: String,
    /// Next steps, the most likely first.
    pub hints: Vec<String>,
}

/// The result of every fallible step of the plugin.
pub type Result<T, E = CliError> = std::result::Result<T, E>;

impl CliError {
    /// Something failed or was refused.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// The command was called wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// An error of any kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Adds a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code, as `--help` and the documentation state it.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed | Kind::NoAnswer | Kind::BrokenPipe => 1,
            Kind::Usage => 2,
            Kind::TimedOut => 3,
            Kind::Interrupted => 130,
        }
    }
}
