//! Sites of rings over several Kubernetes clusters: what lets the operator of the home cluster into another one.
//!
//! In the site that is a service account with few rights; at home a Secret with a kubeconfig for each site, which the
//! operator has mounted as a folder.

pub mod account;
pub mod calls;
pub mod entry;
pub mod rings;
pub mod sites;
