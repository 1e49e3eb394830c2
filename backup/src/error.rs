//! Failures: what was tried on which object, why it failed, what to do next, and whether the same command helps later.

use std::fmt;

use casskop_backup_protocol::Outcome;

/// The result of a step.
pub type Result<T> = std::result::Result<T, Failure>;

/// The words of rustls about a server that it does not trust.
pub(crate) const UNTRUSTED: &str = "invalid peer certificate";
/// Characters of an answer of a server that are told.
const TOLD: usize = 400;

/// A step that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How the job ends by it.
    pub outcome: Outcome,
    text: String,
}

impl Failure {
    /// The same command fails again.
    pub fn failed(what: impl fmt::Display, why: impl fmt::Display, next: &str) -> Self {
        Self::new(Outcome::Failed, &what, &why, next)
    }

    /// The same command may succeed later.
    pub fn retry(what: impl fmt::Display, why: impl fmt::Display, next: &str) -> Self {
        Self::new(Outcome::Retry, &what, &why, next)
    }

    /// Something of a backup is missing or wrong.
    pub fn damaged(what: impl fmt::Display, why: impl fmt::Display, next: &str) -> Self {
        Self::new(Outcome::Damaged, &what, &why, next)
    }

    /// A request to the store that failed.
    pub fn store(what: impl fmt::Display, error: &object_store::Error) -> Self {
        let why = told(&chain(error));
        let (retry, next) = advice(error, &why);
        if retry {
            Self::retry(what, why, next)
        } else {
            Self::failed(what, why, next)
        }
    }

    /// A file of the volume that cannot be read or written.
    pub fn file(what: impl fmt::Display, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::failed(
                    what,
                    error,
                    "make room on the volume, and run the same job again: it continues",
                )
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::failed(
                what,
                error,
                "run the job as the user of the Cassandra pod, and mount the volume as the job needs it",
            ),
            ErrorKind::NotFound => Self::failed(
                what,
                error,
                "make sure that the snapshot and its volume are there",
            ),
            _ => Self::retry(what, error, "run the same job again"),
        }
    }

    fn new(outcome: Outcome, what: &dyn fmt::Display, why: &dyn fmt::Display, next: &str) -> Self {
        Self {
            outcome,
            text: format!("cannot {what}: {why}; {next}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// With its causes, where they are not in its text already.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Without the query of URLs, where Azure has its signatures, and in one line of a bounded length.
fn told(text: &str) -> String {
    let mut short = String::new();
    for (number, word) in text.split_whitespace().enumerate() {
        let visible = match word.split_once('?') {
            Some((before, _)) if before.contains("://") => before,
            _ => word,
        };
        if number > 0 {
            short.push(' ');
        }
        short.push_str(visible);
        if short.len() > TOLD {
            return short.chars().take(TOLD).chain("…".chars()).collect();
        }
    }
    short
}

fn advice(error: &object_store::Error, why: &str) -> (bool, &'static str) {
    use object_store::Error;
    let has = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if has(&["NoSuchBucket", "ContainerNotFound"])
        || (has(&["The specified bucket does not exist"]))
    {
        return (false, "make the bucket, or name the one that exists");
    }
    if has(&["RequestTimeTooSkewed"]) {
        return (
            false,
            "set the clock of the node that the job runs on, and start the job again",
        );
    }
    if has(&["BlobImmutable"]) {
        return (
            false,
            "wait for the end of the lock on the object, or keep backups in a container without a policy",
        );
    }
    if has(&["Received redirect", "status code: 3", "PermanentRedirect"]) {
        return (
            false,
            "give the region of the bucket, or the endpoint that has it",
        );
    }
    // Another job has ended the upload, or the answer to its completion was lost.
    if has(&["NoSuchUpload", "InvalidBlockList"]) {
        return (true, "run the same job again: it continues where it was");
    }
    if has(&["ExpiredToken", "TokenRefreshRequired"]) {
        return (
            true,
            "run the same job again, which gets a new token; give the identity of the job a longer session",
        );
    }
    if has(&["<Code>RequestTimeout<", "<Code>IncompleteBody<"]) {
        return (true, "run the same job again: it continues where it was");
    }
    if has(&["No space left", "os error 28"]) {
        return (
            false,
            "make room in the store, and run the same job again: it continues",
        );
    }
    if has(&[UNTRUSTED]) {
        return (
            false,
            "give the authorities of the server as `ca` of the store, or correct its certificate",
        );
    }
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => (
            false,
            "check the keys or the identity of the job, and its rights on the bucket and the prefix",
        ),
        Error::NotFound { .. } => (
            false,
            "check the store, the name and the UID of the cluster, and the id of the backup",
        ),
        Error::InvalidPath { .. } | Error::NotSupported { .. } | Error::NotImplemented { .. } => {
            (false, "check the store of the job")
        }
        Error::AlreadyExists { .. } | Error::Precondition { .. } => {
            (true, "run the same job again")
        }
        _ if has(&["status code: 4"]) && !has(&["status code: 408", "status code: 429"]) => {
            (false, "check the store of the job")
        }
        _ => (
            true,
            "make sure that the store answers, and run the same job again: it continues where it was",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: text.into(),
        }
    }

    #[test]
    fn a_second_try_helps_where_it_can() {
        let outcome = |text: &str| Failure::store("read x", &generic(text)).outcome;
        assert_eq!(
            outcome("Server returned non-2xx status code: 503 Service Unavailable: "),
            Outcome::Retry
        );
        assert_eq!(outcome("HTTP error: operation timed out"), Outcome::Retry);
        assert_eq!(
            outcome("Server returned non-2xx status code: 400 Bad Request: "),
            Outcome::Failed
        );
        assert_eq!(
            outcome("Server returned non-2xx status code: 429 Too Many Requests: "),
            Outcome::Retry
        );
        assert_eq!(outcome("<Code>NoSuchBucket</Code>"), Outcome::Failed);
        for retried in ["RequestTimeout", "ExpiredToken", "IncompleteBody"] {
            let answer = format!(
                "Server returned non-2xx status code: 400 Bad Request: <Error><Code>{retried}</Code>"
            );
            assert_eq!(outcome(&answer), Outcome::Retry, "{answer}");
        }
        // The region or endpoint is not that of the bucket.
        for redirect in [
            "Received redirect without LOCATION, this normally indicates an incorrectly configured region",
            "Server returned non-2xx status code: 307 Temporary Redirect: ",
        ] {
            assert_eq!(outcome(redirect), Outcome::Failed, "{redirect}");
        }
        assert_eq!(
            outcome("<Code>RequestTimeTooSkewed</Code>"),
            Outcome::Failed
        );
    }

    #[test]
    fn codes_that_say_more_than_the_status() {
        let outcome = |error| Failure::store("write x", &error).outcome;
        let text = |code: &str| format!("<Error><Code>{code}</Code>").into();
        let immutable = object_store::Error::AlreadyExists {
            path: "x".to_owned(),
            source: text("BlobImmutableDueToPolicy"),
        };
        assert_eq!(outcome(immutable), Outcome::Failed);
        let upload = object_store::Error::NotFound {
            path: "x".to_owned(),
            source: text("NoSuchUpload"),
        };
        assert_eq!(outcome(upload), Outcome::Retry);
    }

    #[test]
    fn no_signature_and_no_long_answer() {
        let text = Failure::store(
            "read x",
            &generic("GET https://a.blob/c/x?sig=abc&se=1 failed"),
        )
        .to_string();
        assert!(
            text.contains("https://a.blob/c/x failed") && !text.contains("sig"),
            "{text}"
        );
        assert!(
            Failure::store("read x", &generic(&"word ".repeat(10_000)))
                .to_string()
                .len()
                < 700
        );
    }
}
