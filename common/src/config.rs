//! Configuration of Cassandra in `spec.config`, as far as it is known without a node.

pub mod jvm_options;

/// Keys of `cassandra-yaml` that follow from the pod and the ring; a user who could set them would break both.
pub const OPERATOR_KEYS: [&str; 5] = [
    "seed_provider",
    "listen_address",
    "broadcast_address",
    "broadcast_rpc_address",
    "listen_interface",
];
