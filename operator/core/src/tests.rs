//! Decisions, tried on a simulated Kubernetes and ring: single decisions by table and snapshot, and random histories.

mod accepted;
mod address_conflict;
mod cancellation;
mod contract;
mod crash_recovery;
mod external_members;
mod fields;
mod histories;
mod identity;
mod images;
mod invalid_requests;
mod kept_volumes;
mod lost_node;
mod messages;
mod operations;
mod other_versions;
mod pending_cleanup;
mod platform_ids;
mod refused_requests;
mod rollout;
mod shrink;
mod status_size;
mod storage;
mod two_operators;
mod volume_owners;
mod waves;
