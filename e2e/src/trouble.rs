//! What happens to clusters and the links between them, until the guard is dropped.

use std::process::Command;

use crate::{
    site::{HOME, Site},
    space::workspace,
};

/// A trouble that lasts until this is dropped. The end of a trouble of a link is the end of all of that link's.
#[must_use = "it is over at once"]
pub struct Trouble {
    mend: Command,
}

/// Two clusters hear nothing of each other any more, on no connection.
pub fn cut(one: Site, other: Site) -> Trouble {
    link(one, other, "cut", &[])
}

/// What `from` sends does not arrive at `to`.
pub fn cut_one_way(from: Site, to: Site) -> Trouble {
    link(from, to, "cut", &["--one-way"])
}

/// `from` does not reach the API server of `of`; all else goes on.
pub fn hide_api(from: Site, of: Site) -> Trouble {
    link(from, of, "cut", &["--one-way", "--port", "6443"])
}

/// What two clusters send to each other arrives later by `delay`, such as `200ms`.
pub fn slow(one: Site, other: Site, delay: &str) -> Trouble {
    link(one, other, "slow", &[delay])
}

/// The API server of a cluster answers nobody, not in its own cluster either. It keeps its connections.
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
pub(crate) fn testbed(script: &str, args: &[&str]) -> Command {
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
