//! The support bundle: its files, and the reads that failed.

pub mod redact;
pub mod summary;

/// One file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path within the bundle, with `/`.
    pub path: String,
    /// Contents of the file.
    pub content: String,
}

impl Entry {
    /// A file with this content.
    pub fn new(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            content: content.into(),
        }
    }
}

/// A read that failed. Not every one is a missing permission: a timeout is one as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFailure {
    /// The permission that the read needs.
    pub permission: Permission,
    /// The object; none for a missing permission, which affects all objects.
    pub object: Option<String>,
    /// The cause.
    pub cause: Cause,
}

/// A permission of RBAC.
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
    /// Whether the permission is missing.
    pub fn is_forbidden(&self) -> bool {
        self.cause == Cause::Forbidden
    }
}

/// The cause of a failed read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The user does not have the permission.
    Forbidden,
    /// Another cause, in words.
    Other(String),
}
