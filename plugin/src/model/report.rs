//! The support bundle: what is read, what is kept out of it, and how it is written.

pub mod redact;
pub mod summary;

/// One file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path within the bundle, with `/`.
    pub path: String,
    /// What is in it.
    pub content: String,
}

impl Entry {
    /// A file with this in it.
    pub fn new(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            content: content.into(),
        }
    }
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFailure {
    /// The right that it takes.
    pub permission: Permission,
    /// On which object it was tried; of a right that is missing it does not matter.
    pub object: Option<String>,
    /// Why.
    pub cause: Cause,
}

/// What RBAC allows or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Such as `list`.
    pub verb: &'static str,
    /// With its group, as in `statefulsets.apps`.
    pub resource: String,
    /// As in `namespace shop`.
    pub scope: String,
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} in {}", self.verb, self.resource, self.scope)
    }
}

impl ReadFailure {
    /// Whether the user has not the right.
    pub fn is_forbidden(&self) -> bool {
        self.cause == Cause::Forbidden
    }
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The user has not the right.
    Forbidden,
    /// Something else, in words.
    Other(String),
}
