//! The exchange with the API server, on clocks that the tests set.

use std::sync::{Arc, Mutex, atomic::AtomicUsize};

use futures::FutureExt;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::api_server::{ApiServer, Lost, Rival};
use casskop_core::lease::Moment;

pub(crate) const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/casskop-operator";

/// Another instance, that acquires the Lease first.
const RIVAL: Rival = Rival {
    object: "leases/casskop-operator",
    change: |lease| lease["spec"]["holderIdentity"] = json!("rival"),
};

fn lease_spec(server: &ApiServer) -> Value {
    let lease = server.with(|state| state.objects.get(LEASE).cloned());
    lease.map_or(Value::Null, |lease| lease["spec"].clone())
}

pub(crate) fn candidate(server: &ApiServer, identity: &str, leadership: Leadership) -> Election {
    let timing = Timing {
        retry: Duration::from_millis(1),
        ..Timing::new(15, 10, 2).unwrap()
    };
    let who = (identity.to_owned(), timing);
    Election::with_client(server.client(), ("ns", "casskop-operator"), who, leadership)
}

fn held_by(holder: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "casskop-operator", "namespace": "ns",
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
        let server = ApiServer::default();
        let first = Clocks::default().leadership();
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let stop: Stop = told.map(drop).boxed().shared();
        let ready = AtomicBool::new(false);
        let work = async || {
            assert!(first.ensure().is_ok());
            assert_eq!(lease_spec(&server)["holderIdentity"], "one");
            tell.send(()).unwrap();
            bounded(stop.clone(), stop.clone()).await;
            assert_eq!(lease_spec(&server)["holderIdentity"], "one");
        };
        let election = candidate(&server, "one", first.clone());
        run(Some(election), stop.clone(), &ready, |_| {}, work)
            .await
            .unwrap();
        let spec = lease_spec(&server);
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
        let mut election = candidate(&server, "two", second.clone());
        assert!(matches!(election.attempt().await, Attempt::Leads));
        assert_eq!(second.settled().now_or_never(), Some(()));
        assert_eq!(lease_spec(&server)["leaseTransitions"], 1);
    });
}

#[test]
fn an_expired_lease_is_taken_over_once_and_keeps_its_labels() {
    run_async(async {
        let server = ApiServer::default();
        server.with(|state| state.put(LEASE, held_by("gone")));
        let clocks = Clocks::default();
        let leadership = clocks.leadership();
        let mut election = candidate(&server, "two", leadership.clone());
        assert!(matches!(election.attempt().await, Attempt::Waits));
        clocks.pass(14);
        assert!(matches!(election.attempt().await, Attempt::Waits));
        clocks.pass(1);
        assert!(matches!(election.attempt().await, Attempt::Leads));
        assert_eq!(lease_spec(&server)["leaseTransitions"], 5);
        let labels = server.with(|state| state.objects[LEASE]["metadata"]["labels"].clone());
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
        let server = ApiServer::default();
        server.with(|state| {
            state.put(LEASE, held_by(""));
            state.rival = Some(RIVAL);
        });
        let leadership = Clocks::default().leadership();
        let mut election = candidate(&server, "two", leadership.clone());
        assert!(matches!(election.attempt().await, Attempt::Waits));
        assert!(leadership.ensure().is_err());
        assert_eq!(lease_spec(&server)["holderIdentity"], "rival");
    });
}

#[test]
fn a_lost_answer_is_read_again_and_never_taken_for_a_success() {
    for lost in [Lost::Write, Lost::Answer] {
        run_async(async {
            let server = ApiServer::default();
            server.with(|state| state.lost = Some(lost));
            let leadership = Clocks::default().leadership();
            let mut election = candidate(&server, "one", leadership.clone());
            assert!(matches!(election.attempt().await, Attempt::Waits));
            assert!(leadership.ensure().is_err());
            assert!(matches!(election.attempt().await, Attempt::Leads));
            assert!(leadership.ensure().is_ok());
            server.with(|state| state.lost = Some(lost));
            assert!(matches!(election.attempt().await, Attempt::Waits));
            assert!(leadership.ensure().is_ok());
            assert!(matches!(election.attempt().await, Attempt::Leads));
        });
    }
}

#[test]
fn a_leader_without_an_api_server_ends_before_another_one_takes_over() {
    run_async(async {
        let server = ApiServer::default();
        let clocks = Clocks::default();
        let leadership = clocks.leadership();
        let mut election = candidate(&server, "one", leadership.clone());
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
        let server = ApiServer::default();
        let clocks = Clocks::default();
        let leadership = clocks.leadership();
        let mut election = candidate(&server, "one", leadership.clone());
        assert!(matches!(election.attempt().await, Attempt::Leads));
        let client = server.client_of(leadership.clone());
        let mut lease = LeaseApi::new(client, "ns", "casskop-operator", Duration::from_secs(5));
        let record = lease.read().await.unwrap().unwrap();
        let record = lease.write(&record).await.unwrap();
        // Suspended: only the wall clock has gone on.
        clocks.suspend(60);
        server.asked();
        let error = lease.write(&record).await.unwrap_err();
        assert!(error.to_string().contains("not the leader"), "{error}");
        assert!(lease.read().await.is_ok(), "reads do no harm");
        assert_eq!(server.asked(), [format!("GET {LEASE}?")]);
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
        let server = ApiServer::default();
        let leadership = Clocks::default().leadership();
        let election = candidate(&server, "one", leadership);
        let stop: Stop = std::future::pending().boxed().shared();
        let told = AtomicUsize::new(0);
        let work = async || {
            server.with(|state| state.rival = Some(RIVAL));
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
