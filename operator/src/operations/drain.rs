//! `drain`: the node writes its memtables to disk and takes no more part in the ring, until its pod is restarted.

use casskop_common::{api::CassandraClusterSpec, operations::drain::Drain};

use super::{Action, Behaviour, CheckFn, Refusal, Ring, Seen, checks, drained};
use crate::nodes::{Activity, Call};

impl Behaviour for Drain {
    fn steps(&self, _: &Ring<'_>) -> Result<Vec<String>, Refusal> {
        Ok(vec!["drain".into()])
    }

    fn unit(&self) -> &'static str {
        "steps"
    }

    fn action(&self, _: &str, _: &CassandraClusterSpec) -> Action {
        Action::Call(Call::Drain)
    }

    fn describe(&self) -> &'static str {
        "StorageService.drain"
    }

    fn checks(&self) -> &'static [CheckFn] {
        &[checks::others_up, checks::ring_settled]
    }

    fn seen(&self, _: &str, activity: &Activity) -> Seen {
        drained(activity)
    }
}
