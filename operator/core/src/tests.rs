//! Decisions, tried on a simulated Kubernetes and ring: single decisions by table and snapshot, and random histories.

mod accepted;
mod called_off;
mod contract;
mod crash;
mod crossed;
mod debt;
mod elsewhere;
mod fields;
mod histories;
mod images;
mod lost;
mod messages;
mod operations;
mod requests;
mod rollout;
mod shrink;
mod storage;
mod waves;
