//! HTTP over mutual TLS: the client of every transport that has certificates.

use std::net::{IpAddr, SocketAddr};

use ureq::{
    Agent,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

use crate::node_api::{Certificates, Endpoint, gate::Gate};
use casskop_core::node::NodeError;

/// Size of a buffer of a connection, in bytes.
const BUFFER: usize = 16 * 1024;

/// A client for one node, which keeps so many connections for its next request. It never speaks plain HTTP, follows no
/// redirect and uses no proxy.
///
/// # Errors
/// The node has no IP address.
pub(super) fn agent(
    gate: Gate,
    endpoint: &Endpoint,
    certificates: &Certificates,
    idle: usize,
) -> Result<Agent, NodeError> {
    let ip: IpAddr = endpoint.ip.parse().map_err(|_| {
        NodeError::Unreachable(format!("its address {} is no IP address", endpoint.ip))
    })?;
    let config = Agent::config_builder()
        .https_only(true)
        .proxy(None)
        .tls_config(certificates.tls())
        .http_status_as_error(false)
        .max_redirects(0)
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        .max_idle_connections(idle)
        .max_idle_connections_per_host(idle)
        .build();
    let address = Fixed(SocketAddr::new(ip, endpoint.port));
    Ok(Agent::with_parts(config, gate.connector(), address))
}

/// The beginning of the URLs of a node. The name is the one that the certificate of the node must have; it is never looked
/// up.
pub(super) fn base(endpoint: &Endpoint, certificates: &Certificates) -> String {
    let name = certificates.server_name();
    format!("https://{name}:{}", endpoint.port)
}

/// The address of the pod, whatever the URL names.
#[derive(Debug)]
struct Fixed(SocketAddr);

impl Resolver for Fixed {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}
