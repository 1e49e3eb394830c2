//! The exchange with the API server, on clocks that the tests set.

use std::sync::{Arc, Mutex, atomic::AtomicUsize};

use futures::FutureExt;
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use kube::client::{Body, ClientBuilder};
use serde_json::{Value, json};
use tower::BoxError;

use super::*;
use crate::kubernetes::gate::Gate;
use casskop_core::lease::Moment;

/// A fault of the next write.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// Another writer changes the Lease just before.
    Rival,
    /// The write is lost, and so is the answer.
    LostBefore,
    /// The answer is lost.
    LostAfter,
}

/// An API server with one Lease.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Value>,
    version: u64,
    fault: Option<Fault>,
    /// Whether no request is answered.
    is_away: bool,
    asked: Vec<String>,
}

impl Server {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    fn spec(&self) -> Value {
        self.with(|state| {
            state
                .lease
                .as_ref()
                .map_or(Value::Null, |it| it["spec"].clone())
        })
    }

    fn client(&self, gate: Leadership) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let answer = server.with(|state| state.answer(&head.method, body));
                let (code, body) = answer.ok_or("the connection broke")?;
                let mut response = Response::new(Body::from(body.to_string().into_bytes()));
                *response.status_mut() = StatusCode::from_u16(code).unwrap();
                Ok::<_, BoxError>(response)
            }
        });
        ClientBuilder::new(service, "ns")
            .with_layer(&Gate(gate))
            .build()
    }

    fn election(&self, identity: &str, leadership: Leadership) -> Election {
        let timing = Timing {
            retry: Duration::from_millis(1),
            ..Timing::new(15, 10, 2).unwrap()
        };
        let client = self.client(Leadership::unelected());
        let who = (identity.to_owned(), timing);
        Election::with_client(client, ("ns", "casskop-operator"), who, leadership)
    }
}

impl State {
    fn answer(&mut self, method: &Method, body: Value) -> Option<(u16, Value)> {
        self.asked.push(method.to_string());
        if self.is_away {
            return None;
        }
        let no = |code: u16, reason: &str| {
            let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": code, "reason": reason, "message": reason });
            Some((code, status))
        };
        if *method == Method::GET {
            return self
                .lease
                .clone()
                .map_or_else(|| no(404, "NotFound"), |lease| Some((200, lease)));
        }
        let fault = self.fault.take();
        match fault {
            Some(Fault::LostBefore) => return None,
            Some(Fault::Rival) => {
                self.version += 1;
                let version = self.version.to_string();
                let lease = self.lease.get_or_insert_with(|| held_by("rival"));
                lease["spec"]["holderIdentity"] = json!("rival");
                lease["metadata"]["resourceVersion"] = json!(version);
            }
            _ => {}
        }
        let there = self
            .lease
            .as_ref()
            .map(|lease| &lease["metadata"]["resourceVersion"]);
        if there.unwrap_or(&Value::Null) != &body["metadata"]["resourceVersion"] {
            return no(409, "Conflict");
        }
        self.version += 1;
        let mut lease = body;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease = Some(lease.clone());
        (fault != Some(Fault::LostAfter)).then_some((200, lease))
    }
}

fn held_by(holder: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "casskop-operator", "namespace": "ns", "resourceVersion": "1",
            "labels": { "kept": "yes" } },
        "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 4,
            "acquireTime": "2026-11-22T17:00:00.000000Z", "renewTime": "2026-11-22T18:00:00.000000Z" },
    })
}

/// The clocks of a process, in seconds.
#[derive(Clone, Default)]
struct Clocks(Arc<Mutex<(u64, u64)>>);

impl Clocks {
    fn pass(&self, seconds: u64) {
        let mut clocks = self.0.lock().unwrap();
        *clocks = (clocks.0 + seconds, clocks.1 + seconds);
    }

    /// The machine is suspended: only the wall clock goes on.
    fn suspend(&self, seconds: u64) {
        self.0.lock().unwrap().1 += seconds;
    }

    fn set_back(&self, seconds: u64) {
        self.0.lock().unwrap().1 -= seconds;
    }

    fn leadership(&self) -> Leadership {
        let clocks = self.clone();
        Leadership::with_clock(move || {
            let (monotonic, wall) = *clocks.0.lock().unwrap();
            let wall = jiff::SignedDuration::from_secs(i64::try_from(wall).unwrap());
            Moment {
                monotonic: Duration::from_secs(monotonic),
                wall: Timestamp::from_second(1_000_000).unwrap() + wall,
            }
        })
    }
}

fn run_async(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(test);
}

#[test]
fn a_clean_stop_releases_and_the_next_one_leads_at_once() {
    run_async(async {
        let server = Server::default();
        let first = Clocks::default().leadership();
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let stop: Stop = told.map(drop).boxed().shared();
        let ready = AtomicBool::new(false);
        let work = async || {
            assert!(first.ensure().is_ok());
            assert_eq!(server.spec()["holderIdentity"], "one");
            tell.send(()).unwrap();
            bounded(stop.clone(), stop.clone()).await;
            assert_eq!(server.spec()["holderIdentity"], "one");
        };
        let election = server.election("one", first.clone());
        run(Some(election), stop.clone(), &ready, |_| {}, work)
            .await
            .unwrap();
        let spec = server.spec();
        assert_eq!(
            (&spec["holderIdentity"], &spec["leaseDurationSeconds"]),
            (&json!(""), &json!(1))
        );
        assert!(first.ensure().is_err());
        assert!(
            !ready.load(Ordering::Relaxed),
            "it never waited for another one"
        );

        let second = Clocks::default().leadership();
        let mut election = server.election("two", second.clone());
        assert!(matches!(election.attempt().await, Attempt::Leads));
        assert_eq!(second.settled().now_or_never(), Some(()));
        assert_eq!(server.spec()["leaseTransitions"], 1);
    });
}

#[test]
fn an_expired_lease_is_taken_over_once_and_keeps_its_labels() {
    run_async(async {
        let server = Server::default();
        server.with(|state| state.lease = Some(held_by("gone")));
        server.with(|state| state.version = 1);
        let clocks = Clocks::default();
        let leadership = clocks.leadership();
        let mut election = server.election("two", leadership.clone());
        assert!(matches!(election.attempt().await, Attempt::Waits));
        clocks.pass(14);
        assert!(matches!(election.attempt().await, Attempt::Waits));
        clocks.pass(1);
        assert!(matches!(election.attempt().await, Attempt::Leads));
        assert_eq!(server.spec()["leaseTransitions"], 5);
        let labels =
            server.with(|state| state.lease.clone().unwrap()["metadata"]["labels"].clone());
        assert_eq!(labels["kept"], "yes");
        assert_eq!(
            leadership.settled().now_or_never(),
            None,
            "it waits for late calls"
        );
        clocks.pass(10);
        assert_eq!(leadership.settled().now_or_never(), Some(()));
    });
}

#[test]
fn a_take_over_that_another_one_makes_first_waits() {
    run_async(async {
        let server = Server::default();
        server.with(|state| {
            state.lease = Some(held_by(""));
            state.version = 1;
            state.fault = Some(Fault::Rival);
        });
        let leadership = Clocks::default().leadership();
        let mut election = server.election("two", leadership.clone());
        assert!(matches!(election.attempt().await, Attempt::Waits));
        assert!(leadership.ensure().is_err());
        assert_eq!(server.spec()["holderIdentity"], "rival");
    });
}

#[test]
fn a_lost_answer_is_read_again_and_never_taken_for_a_success() {
    for fault in [Fault::LostBefore, Fault::LostAfter] {
        run_async(async {
            let server = Server::default();
            server.with(|state| state.fault = Some(fault));
            let leadership = Clocks::default().leadership();
            let mut election = server.election("one", leadership.clone());
            assert!(matches!(election.attempt().await, Attempt::Waits));
            assert!(leadership.ensure().is_err());
            assert!(matches!(election.attempt().await, Attempt::Leads));
            assert!(leadership.ensure().is_ok());
            server.with(|state| state.fault = Some(fault));
            assert!(matches!(election.attempt().await, Attempt::Waits));
            assert!(leadership.ensure().is_ok());
            assert!(matches!(election.attempt().await, Attempt::Leads));
        });
    }
}

#[test]
fn a_leader_without_an_api_server_ends_before_another_one_takes_over() {
    run_async(async {
        let server = Server::default();
        let clocks = Clocks::default();
        let leadership = clocks.leadership();
        let mut election = server.election("one", leadership.clone());
        assert!(matches!(election.attempt().await, Attempt::Leads));
        server.with(|state| state.is_away = true);
        clocks.pass(9);
        assert!(matches!(election.attempt().await, Attempt::Waits));
        assert!(leadership.ensure().is_ok());
        clocks.pass(1);
        assert!(leadership.ensure().is_err(), "before anybody has noticed");
        assert_eq!(election.renew().await, Loss::NotRenewed);
    });
}

#[test]
fn a_leader_that_wakes_up_late_writes_nothing() {
    run_async(async {
        let server = Server::default();
        let clocks = Clocks::default();
        let leadership = clocks.leadership();
        let mut election = server.election("one", leadership.clone());
        assert!(matches!(election.attempt().await, Attempt::Leads));
        let client = server.client(leadership.clone());
        let mut lease = LeaseApi::new(client, "ns", "casskop-operator", Duration::from_secs(5));
        let record = lease.read().await.unwrap().unwrap();
        let record = lease.write(&record).await.unwrap();
        // Suspended: only the wall clock has gone on.
        clocks.suspend(60);
        server.with(|state| state.asked.clear());
        let error = lease.write(&record).await.unwrap_err();
        assert!(error.to_string().contains("not the leader"), "{error}");
        assert!(lease.read().await.is_ok(), "reads do no harm");
        assert_eq!(server.with(|state| state.asked.clone()), ["GET"]);
        assert_eq!(election.renew().await, Loss::NotRenewed);
        clocks.set_back(60);
        assert!(
            lease.write(&record).await.is_err(),
            "what is lost stays lost"
        );
    });
}

#[test]
fn a_loss_ends_the_work_at_once() {
    run_async(async {
        let server = Server::default();
        let leadership = Clocks::default().leadership();
        let election = server.election("one", leadership);
        let stop: Stop = std::future::pending().boxed().shared();
        let told = AtomicUsize::new(0);
        let work = async || {
            server.with(|state| state.fault = Some(Fault::Rival));
            std::future::pending::<()>().await;
        };
        let leads = |_| {
            told.fetch_add(1, Ordering::Relaxed);
        };
        let ended = run(Some(election), stop, &AtomicBool::new(false), leads, work).await;
        assert!(matches!(ended, Err(Error::Lost(Loss::HeldBy(holder))) if holder == "rival"));
        assert_eq!(told.load(Ordering::Relaxed), 2);
    });
}
