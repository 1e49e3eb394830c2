//! Jolokia agents and a proxy for tests, run inside the network of the testbed:
//!
//! ```text
//! agents proxy IP          before the agent of the pod with this address, with faults on request
//! agents tunnel            a proxy to API servers, for HTTP and SOCKS5
//! agents stand-in RING…    agents that simulate healthy rings, each of the addresses IP,IP… of this machine
//! agents pods API          agents of all pods that the API server has, behind a proxy at this address
//! ```
//! Commands are read from the standard input, line by line; the agents end with it. Their actions are printed.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool of tests: what does not work ends it, and what it did is printed"
)]

mod http;
mod large;
mod pods;
mod proxy;
mod ring;
mod stand_in;
mod tunnel;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((what, [ip])) if what == "proxy" => proxy::run(ip),
        Some((what, [])) if what == "tunnel" => tunnel::run(),
        Some((what, [api])) if what == "pods" => pods::run(api),
        Some((what, rings)) if what == "stand-in" => stand_in::run(rings),
        _ => panic!(
            "usage: agents proxy IP | agents tunnel | agents stand-in IP,IP… … | agents pods API"
        ),
    }
}

/// Commands on the standard input.
fn commands() -> impl Iterator<Item = Vec<String>> {
    let lines = std::io::stdin().lines().map_while(Result::ok);
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect())
}
