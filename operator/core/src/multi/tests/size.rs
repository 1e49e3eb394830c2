//! The size of the status of a ring over many sites.

use casskop_common::{
    api::{
        ChildStatus, MultiCasskopStatus, MultiOperation, OperationPhase, SiteOperation, SiteStatus,
    },
    operations::kinds,
};

use crate::{
    multi::plan::size,
    status::size::{BUDGET, bytes},
};

/// As many as the CRD allows.
const SITES: usize = 50;
const MIB: usize = 1024 * 1024;

fn message() -> String {
    "demo-dc1-rack1-0 at cleanup: java.lang.RuntimeException: ".repeat(40)
}

fn operation(kind: &str, id: usize, phase: OperationPhase) -> MultiOperation {
    let site = |number| SiteOperation {
        site: format!("site-{number}"),
        requested: true,
        phase: Some(phase),
        message: message(),
    };
    MultiOperation {
        kind: kind.into(),
        id: format!("2026-11-22-{id}"),
        arguments: "--pod demo-dc1-rack1-0 ".repeat(400),
        phase,
        message: message(),
        sites: (0..SITES).map(site).collect(),
        ..MultiOperation::default()
    }
}

#[test]
fn the_status_of_many_sites_fits_into_etcd() {
    let site = |number| SiteStatus {
        name: format!("site-{number}"),
        message: message(),
        cluster: Some(ChildStatus {
            nodes: 1000,
            message: message(),
            ..ChildStatus::default()
        }),
        ..SiteStatus::default()
    };
    let ended = |(id, kind)| operation(kind, id, OperationPhase::Failed);
    let mut operations: Vec<MultiOperation> = kinds().enumerate().map(ended).collect();
    let running = operations.last_mut().expect("a kind");
    running.phase = OperationPhase::Running;
    let mut status = MultiCasskopStatus {
        sites: (0..SITES).map(site).collect(),
        operations: operations.clone(),
        operation_history: (0..20)
            .map(|id| operation("repair", id, OperationPhase::Succeeded))
            .collect(),
        ..MultiCasskopStatus::default()
    };
    assert!(bytes(&status) > 3 * MIB);
    size::fit(&mut status);
    let after = bytes(&status);
    // The managed fields of 50 sites are some 200 KiB more.
    assert!(after <= BUDGET, "{after}");
    // Nothing that is needed is lost.
    assert_eq!(status.sites.len(), SITES);
    for (before, after) in operations.iter().zip(&status.operations) {
        let phases = |one: &MultiOperation| -> Vec<_> {
            let sites = one.sites.iter();
            sites.map(|site| (site.site.clone(), site.phase)).collect()
        };
        assert_eq!((&after.id, phases(after)), (&before.id, phases(before)));
    }
    let running = status.operations.last().expect("it runs");
    assert_eq!(running.arguments, operations.last().expect("it").arguments);
    let ids = status.operation_history.iter().map(|old| old.id.clone());
    assert_eq!(ids.count(), 20, "the ids never run again");
    let again = status.clone();
    size::fit(&mut status);
    assert_eq!(status, again);
}
