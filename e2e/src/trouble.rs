//! Faults of clusters and of the links between them, which last until the guard is dropped.

use std::process::Command;

use crate::{
    site::{HOME, Site},
    space::workspace,
};

/// A fault that lasts until this value is dropped. The end of a fault of a link ends all faults of that link.
#[must_use = "it is over at once"]
pub struct Trouble {
    mend: Command,
}

/// Blocks all connections between two clusters.
pub fn cut(one: Site, other: Site) -> Trouble {
    link(one, other, "cut", &[])
}

/// Drops the packets from `from` to `to`.
pub fn cut_one_way(from: Site, to: Site) -> Trouble {
    link(from, to, "cut", &["--one-way"])
}

/// Blocks the access of `from` to the API server of `of`; other connections keep working.
pub fn hide_api(from: Site, of: Site) -> Trouble {
    link(from, of, "cut", &["--one-way", "--port", "6443"])
}

/// Delays the packets between two clusters by `delay`, such as `200ms`.
pub fn slow(one: Site, other: Site, delay: &str) -> Trouble {
    link(one, other, "slow", &[delay])
}

/// Stops the API server of a cluster from responding, also inside of its cluster. Its connections stay open.
pub fn stop_api(site: Site) -> Trouble {
    let number = site.number();
    Trouble::begin("api.sh", &["stop", &number], &["start", &number])
}

fn link(one: Site, other: Site, what: &str, how: &[&str]) -> Trouble {
    let (one, other) = (one.number(), other.number());
    let begin = [&[what, &one, &other], how].concat();
    Trouble::begin("link.sh", &begin, &["heal", &one, &other])
}

impl Trouble {
    fn begin(script: &str, begin: &[&str], mend: &[&str]) -> Self {
        let trouble = Self {
            mend: testbed(script, mend),
        };
        let status = testbed(script, begin).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "testbed/{script} {begin:?}"
        );
        trouble
    }
}

/// A script of the testbed that the tests run on.
pub fn testbed(script: &str, args: &[&str]) -> Command {
    let mut command = Command::new(workspace().join("testbed").join(script));
    let mut cache = HOME.folder();
    cache.pop();
    command.env("CASSKOP_CACHE", cache).args(args);
    command
}

impl Drop for Trouble {
    fn drop(&mut self) {
        let status = self.mend.status();
        // A second panic would hide the first one.
        assert!(
            std::thread::panicking() || status.is_ok_and(|status| status.success()),
            "{:?}",
            self.mend
        );
    }
}
