//! `/livez`, `/readyz` and `/metrics`.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// Time a client has to send its request.
const HEADERS: Duration = Duration::from_secs(5);

/// Serves until the process ends.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    metrics: impl Fn() -> String + Clone + Send + 'static,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
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
        http.timer(TokioTimer::new()).header_read_timeout(HEADERS);
        tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}

/// No route of this server reads a request body.
fn discard(request: Request<hyper::body::Incoming>) {
    drop(request);
}

fn answer(path: &str, metrics: &impl Fn() -> String, ready: bool) -> Response<Full<Bytes>> {
    let (status, text) = match path {
        "/livez" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if ready => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the resources have not been listed yet\n".to_owned(),
        ),
        "/metrics" => (StatusCode::OK, metrics()),
        _ => (
            StatusCode::NOT_FOUND,
            "there are /livez, /readyz and /metrics\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}
