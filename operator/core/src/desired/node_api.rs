//! Checks of the transport to the nodes, `spec.nodeApi`.

use casskop_common::{
    api::{CassandraClusterSpec, NodeTls, NodeTransport},
    conditions::Reason,
    image::ImageRef,
};

use crate::{
    desired::{DEFAULT_IMAGE, refused},
    refusal::Refusal,
};

/// First version of the Management API whose agent fits every supported release of Cassandra.
const FIRST_FITTING: [u64; 3] = [0, 1, 125];
/// Variables of the image that the operator sets, or that would open the API or keep Cassandra from starting by itself.
const RESERVED: [&str; 4] = [
    "USE_MGMT_API",
    "MAAC_PATH",
    "MGMT_API_EXPLICIT_START",
    "MGMT_API_NO_KEEP_ALIVE",
];
/// Beginnings of more of them.
const RESERVED_PREFIXES: [&str; 2] = ["MGMT_API_TLS_", "MGMT_API_LISTEN_"];

/// Refuses a transport that the nodes cannot have.
pub(crate) fn check(spec: &CassandraClusterSpec) -> Result<(), Refusal> {
    let secret = spec
        .node_api
        .as_ref()
        .and_then(|api| api.tls_secret_name.as_deref())
        .filter(|name| !name.is_empty());
    match spec.transport() {
        // A Secret with certificates says that TLS is meant, and a ring that runs does not change to it without a word.
        NodeTransport::Jolokia if secret.is_some() => Err(refused(
            Reason::InvalidConfig,
            "nodeApi.tlsSecretName without TLS: set nodeApi.tls to Enabled, or remove nodeApi.tlsSecretName".into(),
        )),
        NodeTransport::Jolokia | NodeTransport::JolokiaTls => Ok(()),
        NodeTransport::ManagementApi => {
            check_tls(spec)?;
            check_image(spec)?;
            check_variables(spec)
        }
    }
}

/// Refuses plain HTTP to the Management API, for clusters of a CRD without the rule, and those of a `MultiCasskop`.
fn check_tls(spec: &CassandraClusterSpec) -> Result<(), Refusal> {
    match spec.node_api.as_ref().and_then(|api| api.tls) {
        Some(NodeTls::Disabled) => Err(refused(
            Reason::InvalidConfig,
            "the Management API is reached over mutual TLS only: remove nodeApi.tls, or set it to Enabled".into(),
        )),
        Some(NodeTls::Enabled) | None => Ok(()),
    }
}

/// The image has the Management API, and one that fits. Only the official image, and a tag with the version of the
/// Management API (`4.1.10-v0.1.125`), say what they have.
fn check_image(spec: &CassandraClusterSpec) -> Result<(), Refusal> {
    let image = spec.cassandra_image.as_deref().unwrap_or(DEFAULT_IMAGE);
    let ImageRef { repository, tag } = ImageRef::parse(image);
    let official = [
        "cassandra",
        "library/cassandra",
        "docker.io/library/cassandra",
    ];
    let refuse = |message: String| Err(refused(Reason::InvalidConfig, message));
    if official.contains(&repository) {
        return refuse(format!(
            "cassandraImage {image} has no Management API: set an image that has it, such as k8ssandra/cass-management-api"
        ));
    }
    match tagged_version(tag) {
        Some(version) if version < FIRST_FITTING => refuse(format!(
            "cassandraImage {image} has Management API {}.{}.{}, whose agent does not fit Cassandra: use an image with 0.1.125 or later",
            version[0], version[1], version[2]
        )),
        _ => Ok(()),
    }
}

/// The version of the Management API in a tag, behind `-v`.
fn tagged_version(tag: &str) -> Option<[u64; 3]> {
    let (_, version) = tag.rsplit_once("-v")?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some([next()?, next()?, next()?])
}

fn check_variables(spec: &CassandraClusterSpec) -> Result<(), Refusal> {
    let is_reserved = |name: &str| {
        let mut prefixes = RESERVED_PREFIXES.iter();
        RESERVED.contains(&name) || prefixes.any(|own| name.starts_with(own))
    };
    let mut variables = spec.env_vars.iter();
    match variables.find(|variable| is_reserved(&variable.name)) {
        None => Ok(()),
        Some(variable) => Err(refused(
            Reason::InvalidConfig,
            format!(
                "envVars {}: the operator decides how the Management API listens and starts Cassandra: remove it",
                variable.name
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use casskop_common::api::{NodeApi, NodeApiKind};
    use k8s_openapi::api::core::v1::EnvVar;

    use super::*;

    fn spec(kind: NodeApiKind, secret: Option<&str>, image: Option<&str>) -> CassandraClusterSpec {
        CassandraClusterSpec {
            node_api: Some(NodeApi {
                kind,
                tls: None,
                tls_secret_name: secret.map(str::to_owned),
            }),
            cassandra_image: image.map(str::to_owned),
            ..CassandraClusterSpec::default()
        }
    }

    fn with_tls(kind: NodeApiKind, secret: Option<&str>, tls: NodeTls) -> CassandraClusterSpec {
        let mut spec = spec(kind, secret, None);
        if let Some(api) = &mut spec.node_api {
            api.tls = Some(tls);
        }
        spec
    }

    #[test]
    fn a_transport_that_the_nodes_cannot_have_is_refused() {
        use NodeApiKind::{Jolokia, ManagementApi};
        let image = "k8ssandra/cass-management-api:5.0.9-ubi";
        let specs = vec![
            spec(Jolokia, None, None),
            spec(Jolokia, Some("tls"), None),
            with_tls(Jolokia, None, NodeTls::Enabled),
            with_tls(Jolokia, Some("tls"), NodeTls::Enabled),
            with_tls(Jolokia, Some("tls"), NodeTls::Disabled),
            with_tls(ManagementApi, None, NodeTls::Disabled),
            spec(ManagementApi, None, Some(image)),
            spec(ManagementApi, Some(""), Some(image)),
            spec(ManagementApi, Some("tls"), Some(image)),
            spec(ManagementApi, Some("tls"), None),
            spec(ManagementApi, Some("tls"), Some("cassandra:5.0.9")),
            spec(
                ManagementApi,
                Some("tls"),
                Some("k8ssandra/cass-management-api:5.0.9-v0.1.124"),
            ),
            spec(
                ManagementApi,
                Some("tls"),
                Some("k8ssandra/cass-management-api:5.0.9-v0.1.125"),
            ),
            spec(
                ManagementApi,
                Some("tls"),
                Some("reg:5000/own/cassandra-mgmt@sha256:0"),
            ),
            CassandraClusterSpec {
                env_vars: vec![EnvVar {
                    name: "MGMT_API_TLS_CA_CERT_FILE".into(),
                    ..EnvVar::default()
                }],
                ..spec(ManagementApi, Some("tls"), Some(image))
            },
            CassandraClusterSpec {
                env_vars: vec![EnvVar {
                    name: "MGMT_API_HEAP_SIZE".into(),
                    ..EnvVar::default()
                }],
                ..spec(ManagementApi, Some("tls"), Some(image))
            },
        ];
        let told = specs.iter().map(|spec| match check(spec) {
            Ok(()) => "accepted".to_owned(),
            Err(refusal) => format!("{}: {}", refusal.reason.as_str(), refusal.message),
        });
        let told: Vec<String> = told.collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
