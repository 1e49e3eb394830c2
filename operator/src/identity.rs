//! The identity of a process: no other process has it, and none after it.

use std::hash::{BuildHasher, RandomState};

/// A variable of the environment that is not empty.
pub fn given(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A new identity: the pod or the host, and a random part.
pub fn of_process() -> String {
    let name = given("POD_NAME").or_else(|| given("HOSTNAME"));
    let name = name.unwrap_or_else(|| "casskop-operator".to_owned());
    // Each hasher of the standard library has random keys.
    let random = RandomState::new().hash_one(std::process::id());
    format!("{name}_{random:016x}")
}
