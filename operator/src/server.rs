//! `/livez`, `/readyz` and `/metrics`.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::AbortHandle};

/// Time a client has to send its request.
const HEADERS: Duration = Duration::from_secs(5);
/// Time a connection has for its one request and the response.
const CONNECTION: Duration = Duration::from_secs(10);
/// Connections that are open at the same time. A further one ends the oldest: a request is answered within
/// milliseconds, so an old connection is not a probe that waits for its answer.
const CONNECTIONS: usize = 16;
/// Longest head of a request, in bytes; the least that hyper allows.
const HEAD: usize = 8 * 1024;

/// Serves until the process ends.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    metrics: impl Fn() -> String + Clone + Send + 'static,
) -> std::io::Result<()> {
    accept(&TcpListener::bind(address).await?, ready, metrics).await;
    Ok(())
}

/// Serves the connections of a listener; does not return.
async fn accept(
    listener: &TcpListener,
    ready: Arc<AtomicBool>,
    metrics: impl Fn() -> String + Clone + Send + 'static,
) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    let metrics = SharedText::new(metrics);
    loop {
        // The process is out of sockets for a moment: a probe is repeated.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (metrics, ready) = (metrics.clone(), ready.clone());
        let service = service_fn(move |request| {
            let response = answer(
                request.uri().path(),
                &metrics,
                ready.load(Ordering::Relaxed),
            );
            discard(request);
            async move { Ok::<_, Infallible>(response) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .max_buf_size(HEAD)
            .keep_alive(false);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        open.retain(|connection| !connection.is_finished());
        if open.len() >= CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let task = tokio::spawn(tokio::time::timeout(CONNECTION, connection));
        open.push_back(task.abort_handle());
    }
}

/// The text of the metrics. While a connection still sends a text, further requests get the same one: clients that do not
/// read take the memory of one text, however many there are.
struct SharedText<F> {
    build: F,
    sent: Arc<Mutex<Weak<String>>>,
}

impl<F: Clone> Clone for SharedText<F> {
    fn clone(&self) -> Self {
        Self {
            build: self.build.clone(),
            sent: self.sent.clone(),
        }
    }
}

impl<F: Fn() -> String> SharedText<F> {
    fn new(build: F) -> Self {
        Self {
            build,
            sent: Arc::default(),
        }
    }

    fn get(&self) -> Bytes {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let text = sent.upgrade().unwrap_or_else(|| Arc::new((self.build)()));
        *sent = Arc::downgrade(&text);
        Bytes::from_owner(Sent(text))
    }
}

/// A text that connections share.
struct Sent(Arc<String>);

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// No route of this server reads a request body.
fn discard(request: Request<hyper::body::Incoming>) {
    drop(request);
}

fn answer<F: Fn() -> String>(
    path: &str,
    metrics: &SharedText<F>,
    ready: bool,
) -> Response<Full<Bytes>> {
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    let (status, body) = match path {
        "/livez" => (StatusCode::OK, text("ok\n")),
        "/readyz" if ready => (StatusCode::OK, text("ok\n")),
        "/readyz" => (
            StatusCode::SERVICE_UNAVAILABLE,
            text("the resources have not been listed yet\n"),
        ),
        "/metrics" => (StatusCode::OK, metrics.get()),
        _ => (
            StatusCode::NOT_FOUND,
            text("there are /livez, /readyz and /metrics\n"),
        ),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        thread,
    };

    use super::*;

    /// Sends the rest of a request; returns what the server answers, nothing if it has ended the connection.
    fn finish(stream: &mut TcpStream, rest: &str) -> String {
        let mut answer = Vec::new();
        let _ = stream.write_all(rest.as_bytes());
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Serves on a port of its own.
    fn start(metrics: impl Fn() -> String + Clone + Send + 'static) -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                let ready = Arc::new(AtomicBool::new(true));
                accept(&listener, ready, metrics).await;
            });
        });
        address
    }

    #[test]
    fn clients_that_do_not_read_share_one_text() {
        let text = SharedText::new(|| "metric 1\n".repeat(1000));
        let sent: Vec<Bytes> = (0..1000).map(|_| text.get()).collect();
        assert!(sent.iter().all(|bytes| bytes.as_ptr() == sent[0].as_ptr()));
        let old = sent[0].len();
        drop(sent);
        assert!(text.sent.lock().expect("a lock").upgrade().is_none());
        assert_eq!(text.get().len(), old, "built again");
    }

    #[test]
    fn connections_without_a_request_are_few_and_keep_nobody_out() {
        let address = start(|| "metric 1\n".to_owned());
        let connect = || TcpStream::connect(address).expect("a connection");
        let mut silent: Vec<TcpStream> = (0..=CONNECTIONS).map(|_| connect()).collect();
        for stream in &mut silent {
            stream.write_all(b"GET /me").expect("half a request");
        }
        for path in ["/livez", "/readyz", "/metrics"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
            let answer = finish(&mut connect(), &request);
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        }
        // The later connections have ended the oldest one, and only as many as needed.
        let rest = "trics HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(finish(&mut silent[0], rest), "");
        let newest = finish(&mut silent[CONNECTIONS], rest);
        assert!(newest.ends_with("metric 1\n"), "{newest}");
    }
}
