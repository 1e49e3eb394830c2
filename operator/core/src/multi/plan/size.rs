//! The size of the status of a ring over many sites. etcd takes objects up to 1.5 MiB, and an object that is larger can
//! never be written again. Details of ended operations are left out before that, the oldest first.

use casskop_common::api::{MultiCasskopStatus, MultiOperation};

use crate::status::size::{BUDGET, bytes, cut};

/// Shortens a status that is larger than its budget. The sites, and operations that have not ended, keep all but the ends
/// of their messages; the id of the last operation of each kind stays, so that it never runs again.
pub(crate) fn fit(status: &mut MultiCasskopStatus) {
    if bytes(status) <= BUDGET {
        return;
    }
    for index in (0..status.operation_history.len()).rev() {
        shorten(&mut status.operation_history[index]);
        if bytes(status) <= BUDGET {
            return;
        }
    }
    for site in &mut status.sites {
        cut(&mut site.message);
        if let Some(cluster) = &mut site.cluster {
            cut(&mut cluster.message);
        }
    }
    for operation in &mut status.operations {
        cut(&mut operation.message);
        for site in &mut operation.sites {
            cut(&mut site.message);
        }
        if operation.phase.is_final() {
            cut(&mut operation.arguments);
        }
    }
    let mut index = status.operation_history.len();
    while bytes(status) > BUDGET && index > 0 {
        index -= 1;
        let (newer, rest) = status.operation_history.split_at(index);
        if newer.iter().any(|other| other.kind == rest[0].kind) {
            status.operation_history.remove(index);
        }
    }
}

/// Leaves the sites of an operation of the history out.
fn shorten(operation: &mut MultiOperation) {
    operation.sites.clear();
    cut(&mut operation.message);
    cut(&mut operation.arguments);
}
