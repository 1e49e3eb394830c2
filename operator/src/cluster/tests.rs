//! Decisions, tried on a simulated Kubernetes and ring: single decisions by table and snapshot, and random histories.

mod fields;
mod histories;
mod lost;
mod messages;
mod operations;
mod rollout;
mod shrink;
mod storage;
mod world;
