//! The page of `dashboard`: a small web server on this machine, and the watch that feeds it.
//!
//! The server has one secret, the token of the printed link. The page keeps it for its origin and sends it in a header: a
//! cookie would go to servers of other users on other ports of this machine, too. `docs/dashboard.md` has the reasons.

mod assets;
mod events;
pub mod feed;
mod guard;
pub mod server;
pub mod token;
