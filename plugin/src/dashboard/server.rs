//! Serves the page and its stream, on loopback only, with bounds for what strangers on this machine can take.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http_body_util::{Either, Full, StreamBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::AbortHandle,
    time::sleep,
};

use super::{
    assets,
    events::{self, Events, PATIENCE, Pulse},
    guard::{Guard, Refusal},
    pictures::{Pictures, Render},
    token::Token,
};
use crate::{
    error::{CliError, Result},
    model::fleet::{Fleet, Key},
};

/// Time a client has to send its request.
const HEADERS: Duration = Duration::from_secs(5);
/// Time a connection has for its request and the response, unless it is the stream of a page.
const CONNECTION: Duration = Duration::from_secs(10);
/// Connections without a stream at the same time. A further one ends the oldest: a request takes milliseconds, so that an old
/// connection is not a page that waits for its answer.
const CONNECTIONS: usize = 32;
/// Streams at the same time. Only who has the token opens one; a further one is refused.
const STREAMS: usize = 32;
/// Longest head of a request, in bytes; the least that hyper allows.
const HEAD: usize = 8 * 1024;

const PLAIN: &str = "text/plain; charset=utf-8";

type Body = Either<Full<Bytes>, StreamBody<Events>>;

/// A connection: the end of its task, and whether it is the stream of a page.
struct Open {
    task: AbortHandle,
    is_stream: Arc<AtomicBool>,
}

/// The parts of an answer.
struct Site {
    guard: Guard,
    fleet: watch::Receiver<Fleet>,
    pictures: Arc<Pictures>,
    now: fn() -> String,
    proof: Token,
    places: Arc<Semaphore>,
}

/// A server that is bound to its port.
pub struct Server {
    listener: TcpListener,
    port: u16,
    token: Token,
    proof: Token,
}

impl Server {
    /// Binds a port of this machine; 0 is a free one.
    ///
    /// # Errors
    /// The port is taken, or may not be used.
    pub async fn bind(port: u16) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let refused = |error: std::io::Error| {
            let why = error.kind();
            CliError::failed(format!("cannot serve the page on {address}: {why}"))
                .hint("choose another port with --port, or leave --port out for a free one")
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let port = listener.local_addr().map_err(refused)?.port();
        Ok(Self {
            listener,
            port,
            token: Token::new()?,
            proof: Token::new()?,
        })
    }

    /// The link to the page. The token and the proof are in the fragment, which browsers send to no server.
    pub fn link(&self) -> String {
        format!(
            "http://127.0.0.1:{}/#token={}.{}",
            self.port,
            self.token.as_str(),
            self.proof.as_str()
        )
    }

    /// Serves pages; does not return.
    pub async fn run(self, fleet: watch::Receiver<Fleet>, render: Render, now: fn() -> String) {
        let site = Arc::new(Site {
            guard: Guard::new(self.port, self.token),
            fleet,
            pictures: Arc::new(Pictures::new(render)),
            now,
            proof: self.proof,
            places: Arc::new(Semaphore::new(STREAMS)),
        });
        let mut open: VecDeque<Open> = VecDeque::new();
        loop {
            // The process is out of sockets for a moment.
            let Ok((stream, _)) = self.listener.accept().await else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            make_room(&mut open);
            let is_stream = Arc::new(AtomicBool::new(false));
            let (site, marked, pulse) = (site.clone(), is_stream.clone(), Pulse::new());
            let taken = pulse.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = site.answer(&request, &marked, &taken);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(HEADERS)
                .max_buf_size(HEAD)
                .auto_date_header(false)
                .keep_alive(false);
            let connection = http.serve_connection(TokioIo::new(stream), service);
            let marked = is_stream.clone();
            let task = tokio::spawn(async move {
                tokio::pin!(connection);
                tokio::select! {
                    _ = &mut connection => return,
                    () = sleep(CONNECTION) => {}
                }
                if marked.load(Ordering::Relaxed) {
                    tokio::select! {
                        _ = connection => {}
                        () = pulse.stops(PATIENCE) => {}
                    }
                }
            });
            open.push_back(Open {
                task: task.abort_handle(),
                is_stream,
            });
        }
    }
}

/// Ends the oldest connection that is no stream, if there are many.
fn make_room(open: &mut VecDeque<Open>) {
    open.retain(|one| !one.task.is_finished());
    let is_stream = |one: &Open| one.is_stream.load(Ordering::Relaxed);
    let streams = open.iter().filter(|one| is_stream(one)).count();
    if open.len() - streams >= CONNECTIONS
        && let Some(oldest) = open.iter().position(|one| !is_stream(one))
        && let Some(oldest) = open.remove(oldest)
    {
        oldest.task.abort();
    }
}

impl Site {
    fn answer(
        &self,
        request: &Request<Incoming>,
        is_stream: &AtomicBool,
        pulse: &Pulse,
    ) -> Response<Body> {
        let mut response = match self.route(request, is_stream, pulse) {
            Ok(response) => response,
            Err((status, text)) => {
                let mut response = answered(PLAIN, Either::Left(Full::from(text)));
                *response.status_mut() = status;
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    let get = HeaderValue::from_static("GET");
                    response.headers_mut().insert(ALLOW, get);
                }
                response
            }
        };
        assets::protect(response.headers_mut());
        response
    }

    fn route(
        &self,
        request: &Request<Incoming>,
        is_stream: &AtomicBool,
        pulse: &Pulse,
    ) -> Result<Response<Body>, Refusal> {
        self.guard.check(request.method(), request.headers())?;
        let uri = request.uri();
        if let Some((media_type, text)) = assets::file(uri.path()) {
            return Ok(answered(media_type, Either::Left(Full::from(text))));
        }
        if uri.path() != "/events" {
            return Err((StatusCode::NOT_FOUND, "There is no such page.\n"));
        }
        self.guard.authorize(request.headers())?;
        let chosen = chosen(uri.query()).map_err(|text| (StatusCode::BAD_REQUEST, text))?;
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let text = "Too many pages are open: close some of them.\n";
            return Err((StatusCode::SERVICE_UNAVAILABLE, text));
        };
        is_stream.store(true, Ordering::Relaxed);
        let events = events::stream(events::Source {
            fleet: self.fleet.clone(),
            chosen,
            pictures: self.pictures.clone(),
            now: self.now,
            proof: self.proof.as_str().to_owned(),
            pulse: pulse.clone(),
            place,
        });
        let body = Either::Right(StreamBody::new(events));
        Ok(answered("text/event-stream", body))
    }
}

fn answered(media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// The cluster in `cluster=NAMESPACE/NAME`. Such names have no character that would be escaped.
fn chosen(query: Option<&str>) -> Result<Option<Key>, &'static str> {
    let Some(query) = query else {
        return Ok(None);
    };
    let key = query.strip_prefix("cluster=");
    let key = key.and_then(|key| key.split_once('/'));
    match key {
        Some((namespace, name)) => Ok(Some((namespace.to_owned(), name.to_owned()))),
        None => Err("A cluster is chosen by ?cluster=NAMESPACE/NAME.\n"),
    }
}
