//! The client of a leader: a write is not sent, and its answer not awaited, once the process is not the leader.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::{Method, Request};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use tower::{BoxError, Layer, Service, util::MapResponseLayer};

use crate::{kubernetes::managed_fields::without_managed_fields, leadership::Leadership};

/// A client that writes only while this process is the leader, and reads no managed fields.
///
/// # Errors
/// The configuration of the client is invalid.
pub fn client(mut config: Config, leadership: &Leadership) -> Result<Client, kube::Error> {
    // The client would repeat writes by itself, below the check.
    config.default_retry = false;
    let gate = Gate(leadership.clone());
    let filter = MapResponseLayer::new(without_managed_fields);
    let client = ClientBuilder::try_from(config)?.with_layer(&gate);
    Ok(client.with_layer(&filter).build())
}

/// Adds the check to a stack of services.
pub struct Gate(pub Leadership);

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        let leadership = self.0.clone();
        Gated { leadership, inner }
    }
}

/// A service that checks each write.
pub struct Gated<S> {
    leadership: Leadership,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: Into<BoxError> + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let leadership = self.leadership.clone();
        let mut answer = Box::pin(self.inner.call(request));
        // The request is sent by polls: the check precedes each of them.
        Box::pin(poll_fn(move |cx| {
            if !is_read && let Err(error) = leadership.ensure() {
                return Poll::Ready(Err(error.into()));
            }
            answer.as_mut().poll(cx).map_err(Into::into)
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{
        Api,
        api::{Patch, PatchParams},
    };

    use super::*;

    /// By default the client repeats a request after 429, 503 and 504: a write that was committed, and whose answer was an
    /// error, would be applied again.
    #[tokio::test]
    async fn a_write_is_sent_once_although_the_server_is_busy() {
        for code in [
            "429 Too Many Requests",
            "503 Service Unavailable",
            "504 Gateway Timeout",
        ] {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = server.local_addr().unwrap();
            let requests = Arc::new(AtomicUsize::new(0));
            let counted = requests.clone();
            thread::spawn(move || {
                for connection in server.incoming() {
                    let mut connection = connection.unwrap();
                    let _ = connection.read(&mut [0; 4096]).unwrap();
                    counted.fetch_add(1, Ordering::SeqCst);
                    write!(
                        connection,
                        "HTTP/1.1 {code}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )
                    .unwrap();
                }
            });
            let config = Config::new(format!("http://{address}").parse().unwrap());
            let client = client(config, &Leadership::unelected()).unwrap();
            let maps: Api<ConfigMap> = Api::namespaced(client, "ns");
            let patch = Patch::Merge(serde_json::json!({}));
            maps.patch("one", &PatchParams::default(), &patch)
                .await
                .unwrap_err();
            assert_eq!(requests.load(Ordering::SeqCst), 1, "{code}");
        }
    }
}
