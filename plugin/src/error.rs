//! What went wrong, in words, with the next command to type; and the exit code that says so to scripts.

/// Why the command ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It failed or was refused.
    Failed,
    /// The API server did not answer: whether it did what it was asked is not known.
    NoAnswer,
    /// It was called wrongly.
    Usage,
    /// `--timeout` passed; the operation goes on.
    TimedOut,
    /// Ctrl-C; the operation goes on.
    Interrupted,
    /// Whoever read the output went away; there is nobody to tell.
    BrokenPipe,
}

/// An error for people: what was tried on what, why it failed, and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// Why.
    pub kind: Kind,
    /// What was tried on what, and why it failed.
    pub message: String,
    /// Next steps, the most likely first.
    pub hints: Vec<String>,
}

/// What every fallible step of the plugin returns.
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
