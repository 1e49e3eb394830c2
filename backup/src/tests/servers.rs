//! Servers that refuse, fail and hang, over real HTTP.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use casskop_backup_protocol::{Limits, Outcome, S3, Store};

use crate::testing::{Folder, cluster, node_job, snapshot};
use crate::{Bucket, Credentials, Failure, node, open};

/// A server that answers each request by a function of its number and its head; `None` is no answer at all.
fn server(
    answer: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (count, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
    let counter = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (counter, answer) = (counter.clone(), answer.clone());
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let head = request(&mut stream);
                let number = counter.fetch_add(1, Ordering::Relaxed);
                match answer(number, &head) {
                    Some(answer) => stream.write_all(answer.as_bytes()).unwrap_or_default(),
                    // Until the client gives up.
                    None => drop(stream.read(&mut [0; 64])),
                }
            });
        }
    });
    (url, count)
}

fn request(stream: &mut TcpStream) -> String {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        text.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&text).into_owned();
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let _ = stream.read_exact(&mut vec![0; length.unwrap_or(0)]);
    head
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "it is an answer, and some have none"
)]
fn status(code: &str, body: &str) -> Option<String> {
    Some(format!(
        "HTTP/1.1 {code}\r\nETag: \"e\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ))
}

fn error(status_line: &str, code: &str) -> Option<String> {
    status(
        status_line,
        &format!("<Error><Code>{code}</Code><Message>SECRETSECRET</Message></Error>"),
    )
}

fn credentials() -> Credentials {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "me"),
        ("AWS_SECRET_ACCESS_KEY", "SECRETSECRET"),
    ];
    Credentials::of(keys.map(|(key, value)| (key.to_owned(), value.to_owned())))
}

fn bucket(url: &str) -> Result<Bucket, Failure> {
    let limits = Limits {
        request_seconds: 1,
        retry_seconds: 2,
        ..Limits::default()
    };
    let s3 = S3 {
        bucket: "b".to_owned(),
        endpoint: Some(url.to_owned()),
        ..S3::default()
    };
    let store = Store {
        s3: Some(s3),
        ..Store::default()
    };
    let opened = open(&store, &credentials(), &limits)?;
    Ok(Bucket::new(opened, "", &cluster(), &limits))
}

async fn backup(url: &str) -> Result<casskop_backup_protocol::Summary, Failure> {
    let data = Folder::new();
    snapshot(data.path(), "b1", &[("nb-1-big-Data.db", b"data")]);
    let bucket = bucket(url)?;
    let result = node(&bucket, &node_job(data.path(), "b1", "h1")).await;
    if let Err(failure) = &result {
        assert!(
            !credentials()
                .redact(&failure.to_string())
                .contains("SECRET"),
            "{failure}"
        );
    }
    result
}

#[tokio::test]
async fn answers_that_end_a_job() {
    let cases = [
        ("403 Forbidden", "SignatureDoesNotMatch", "check the keys"),
        ("403 Forbidden", "InvalidAccessKeyId", "check the keys"),
        ("403 Forbidden", "AccessDenied", "check the keys"),
        ("403 Forbidden", "RequestTimeTooSkewed", "set the clock"),
        ("401 Unauthorized", "Unauthorized", "check the keys"),
        ("404 Not Found", "NoSuchBucket", "make the bucket"),
        ("400 Bad Request", "InvalidRequest", "check the store"),
        (
            "301 Moved Permanently",
            "PermanentRedirect",
            "give the region",
        ),
        (
            "307 Temporary Redirect",
            "TemporaryRedirect",
            "give the region",
        ),
        (
            "409 Conflict",
            "BlobImmutableDueToPolicy",
            "wait for the end of the lock",
        ),
    ];
    for (line, code, next) in cases {
        let (url, _) = server(move |_, request| {
            // The answer to HEAD has no body.
            if request.starts_with("HEAD") {
                status("404 Not Found", "")
            } else {
                error(line, code)
            }
        });
        let failure = backup(&url).await.unwrap_err();
        assert_eq!(failure.outcome, Outcome::Failed, "{failure}");
        assert!(failure.to_string().contains(next), "{code}: {failure}");
    }
}

#[tokio::test]
async fn answers_after_which_a_second_try_helps() {
    let (url, requests) = server(|_, _| error("503 Service Unavailable", "SlowDown"));
    let failure = backup(&url).await.unwrap_err();
    assert_eq!(failure.outcome, Outcome::Retry, "{failure}");
    assert!(requests.load(Ordering::Relaxed) > 1, "it is tried again");

    let (url, requests) = server(|_, _| None);
    let failure = backup(&url).await.unwrap_err();
    assert_eq!(failure.outcome, Outcome::Retry, "{failure}");
    assert!(requests.load(Ordering::Relaxed) >= 1);

    // Not the fault of what was sent.
    for code in ["RequestTimeout", "ExpiredToken"] {
        let (url, _) = server(move |_, request| {
            if request.starts_with("HEAD") {
                status("404 Not Found", "")
            } else {
                error("400 Bad Request", code)
            }
        });
        assert_eq!(backup(&url).await.unwrap_err().outcome, Outcome::Retry);
    }

    // A body that never ends.
    let (url, _) = server(|_, _| {
        Some("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: \"e\"\r\n\r\n{".to_owned())
    });
    assert_eq!(backup(&url).await.unwrap_err().outcome, Outcome::Retry);

    let failure = backup("http://127.0.0.1:1").await.unwrap_err();
    assert_eq!(failure.outcome, Outcome::Retry, "{failure}");
}

/// Each request fails twice and succeeds at the third time.
#[tokio::test]
async fn a_server_that_is_slow_now_and_then() {
    let empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let (url, _) = server(move |number, request| {
        if number % 3 < 2 {
            return error("503 Service Unavailable", "SlowDown");
        }
        match request.split(' ').next() {
            Some("PUT") => status("200 OK", ""),
            Some("GET") if request.contains("list-type") => status("200 OK", empty),
            _ => status("404 Not Found", ""),
        }
    });
    let summary = backup(&url).await.unwrap();
    assert_eq!((summary.sent_objects, summary.files), (1, 1));
}

/// A server that does not know `If-None-Match`: it says so, and what is written is written without it.
#[tokio::test]
async fn a_server_without_conditions() {
    let (url, requests) = server(|_, request| {
        if request.starts_with("PUT") && request.to_ascii_lowercase().contains("if-none-match") {
            error("501 Not Implemented", "NotImplemented")
        } else if request.starts_with("PUT") {
            status("200 OK", "")
        } else {
            status("404 Not Found", "")
        }
    });
    let bucket = bucket(&url).unwrap();
    let path = bucket.backup(&crate::testing::name("b1"));
    bucket.create(&path, "{}".into()).await.unwrap();
    assert!(requests.load(Ordering::Relaxed) > 1);
}

/// Limits with which a job never moves.
#[test]
fn limits_that_no_job_can_keep() {
    let limits = Limits {
        bytes_per_second: Some(0),
        ..Limits::default()
    };
    let store = Store {
        path: Some("/".to_owned()),
        ..Store::default()
    };
    let failure = open(&store, &credentials(), &limits).unwrap_err();
    assert!(failure.to_string().contains("bytesPerSecond"), "{failure}");
}
