//! The page of `dashboard`: a small web server on this machine, and the watch that feeds it.
//!
//! The printed link has two secrets. The page keeps both for its origin, and sends the first one, the token, in a header: a
//! cookie would go to servers of other users on other ports of this machine, too. The second one is the proof, with which
//! every stream begins: the port is free for other users when the command has ended. `docs/dashboard.md` has the reasons.

mod assets;
mod events;
pub mod feed;
mod guard;
mod pictures;
pub mod server;
pub mod token;
