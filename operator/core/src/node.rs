//! A node of a ring, in Cassandra's words: what it can be told, what it says, and how a keyspace is replicated. How the
//! words travel is the transport's business.

mod call;
mod cql;
mod error;
mod reading;
mod replication;
mod shared;

pub use call::Call;
pub use cql::Statement;
pub use error::NodeError;
pub use reading::{Activity, Compaction, Reading, Stream, UNKNOWN_HOST_ID};
pub use replication::Replication;
pub use shared::SharedViews;
