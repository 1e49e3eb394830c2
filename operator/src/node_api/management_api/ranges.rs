//! The token ranges that a node is the first replica of. The repair of the server has no such option; Cassandra computes
//! it in the same way, from the first natural replica of each range.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use casskop_core::node::NodeError;

use crate::node_api::{
    bounds::Bounds,
    canonical,
    management_api::{
        Session, endpoints,
        exchange::{Failure, READ},
        gossip,
        requests::{Range, escaped},
    },
};

/// Longest answer of the read of the ranges: 1,000 nodes with 256 tokens each take some 30 MB, of which the tokens and the
/// first replicas are kept.
const LONGEST: u64 = 64 * 1024 * 1024;
/// Most ranges of a ring: those of 1,000 nodes with 256 tokens each, and some.
const MOST: usize = 300_000;

/// The ranges of a keyspace that the node is the first replica of.
///
/// # Errors
/// There is no usable answer, or no such keyspace.
pub(super) fn primary(session: &Session<'_>, keyspace: &str) -> Result<Vec<Range>, NodeError> {
    let ring = endpoints(session, READ).map_err(|failure| session.error(failure))?;
    let own = gossip::own_address(&ring)?;
    let bounds = Bounds {
        request: "the read of the token ranges",
        deadline: READ,
        limit: LONGEST,
    };
    let path = format!(
        "/v2/tokens/rangetoendpoint?keyspaceName={}",
        escaped(keyspace)
    );
    let ranges: Ranges = session
        .get(&path, bounds)
        .map_err(|failure| match failure {
            Failure::Missing => NodeError::Cassandra(format!("Keyspace {keyspace} does not exist")),
            failure => session.error(failure),
        })?;
    let FirstReplicas(mut ranges) = ranges.token_range_to_endpoints;
    let mut ranges = ranges.remove(&own).unwrap_or_default();
    // A range from a token to itself is the whole ring of one node, which has nothing to repair with.
    ranges.retain(|(start, end)| start != end);
    Ok(ranges)
}

#[derive(Deserialize)]
struct Ranges {
    token_range_to_endpoints: FirstReplicas,
}

#[derive(Deserialize)]
struct RangeOfEndpoints {
    tokens: Range,
    endpoints: Vec<String>,
}

/// Ranges by their first replicas.
struct FirstReplicas(BTreeMap<String, Vec<Range>>);

impl<'de> Deserialize<'de> for FirstReplicas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seq;

        impl<'de> Visitor<'de> for Seq {
            type Value = FirstReplicas;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("token ranges")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<FirstReplicas, A::Error> {
                let mut ranges: BTreeMap<String, Vec<Range>> = BTreeMap::new();
                let mut count = 0;
                while let Some(range) = all.next_element::<RangeOfEndpoints>()? {
                    count += 1;
                    if count > MOST {
                        return Err(A::Error::custom(format_args!(
                            "there are more than {MOST} token ranges"
                        )));
                    }
                    if let Some(first) = range.endpoints.first() {
                        let of_first = ranges.entry(canonical(first)).or_default();
                        of_first.push(range.tokens);
                    }
                }
                Ok(FirstReplicas(ranges))
            }
        }

        deserializer.deserialize_seq(Seq)
    }
}
