//! HTTP for `object_store`, on the hyper and rustls with ring that the Kubernetes client brings already.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Failure, Result, UNTRUSTED, chain};

/// Makes clients whose requests have a deadline.
#[derive(Clone, Debug)]
pub(crate) struct Connector(Arc<Service>);

#[derive(Debug)]
struct Service {
    client: Client<HttpsConnector<Tcp>, HttpRequestBody>,
    deadline: Duration,
}

/// A request without an answer.
#[derive(Debug)]
struct Deadline(Duration);

impl std::fmt::Display for Deadline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no answer in {} s", self.0.as_secs())
    }
}

impl std::error::Error for Deadline {}

impl Connector {
    /// A client that trusts the certificate authorities of `ca` (PEM), or the public ones.
    pub(crate) fn new(ca: Option<&str>, deadline: Duration) -> Result<Self> {
        let unusable = |why: &dyn std::fmt::Display| {
            Failure::failed(
                "use the certificate authorities of the store",
                why,
                "write them in PEM",
            )
        };
        let mut roots = RootCertStore::empty();
        if let Some(pem) = ca {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| unusable(&error))?;
                roots.add(certificate).map_err(|error| unusable(&error))?;
            }
            if roots.is_empty() {
                return Err(unusable(&"there is no certificate among them"));
            }
        } else {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(deadline.min(Duration::from_secs(10))));
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        tcp.set_nodelay(true);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(https);
        Ok(Self(Arc::new(Service { client, deadline })))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Self(self.0.clone())))
    }
}

#[async_trait::async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let deadline = self.0.deadline;
        match tokio::time::timeout(deadline, self.0.client.request(request)).await {
            Err(_) => Err(HttpError::new(HttpErrorKind::Timeout, Deadline(deadline))),
            Ok(Err(error)) => Err(HttpError::new(kind(&error), error)),
            Ok(Ok(answer)) => Ok(answer.map(|body| bounded(body, deadline))),
        }
    }
}

/// Each piece of the answer has the deadline: a server that stops in the middle is given up.
fn bounded(body: Incoming, deadline: Duration) -> HttpResponseBody {
    let frames = stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match tokio::time::timeout(deadline, body.frame()).await {
            Err(_) => Some((
                Err(HttpError::new(HttpErrorKind::Timeout, Deadline(deadline))),
                None,
            )),
            Ok(None) => None,
            Ok(Some(Ok(frame))) => Some((Ok(frame), Some(body))),
            Ok(Some(Err(error))) => {
                Some((Err(HttpError::new(HttpErrorKind::Interrupted, error)), None))
            }
        }
    });
    // A body may be asked again after its end.
    HttpResponseBody::new(StreamBody::new(frames.fuse()))
}

fn kind(error: &Error) -> HttpErrorKind {
    // It would be tried again, and the certificate stays what it is.
    if chain(error).contains(UNTRUSTED) {
        return HttpErrorKind::Unknown;
    }
    if error.is_connect() {
        return HttpErrorKind::Connect;
    }
    let cause =
        std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<hyper::Error>());
    match cause {
        Some(cause) if cause.is_timeout() => HttpErrorKind::Timeout,
        // Kept connections end at any time. Each request of this program may be repeated.
        _ => HttpErrorKind::Request,
    }
}
