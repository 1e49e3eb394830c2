//! How a keyspace is replicated, as Cassandra writes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Replicas of a keyspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Replication {
    /// `SimpleStrategy`: so many in the whole ring, wherever they are.
    Simple(usize),
    /// `NetworkTopologyStrategy`: so many in each data center.
    Topology(BTreeMap<String, usize>),
    /// Any other strategy, by its name; nothing is known about where its replicas are.
    Other(String),
}

impl Replication {
    /// Reads `NetworkTopologyStrategy {dc1=3, dc2=3/1}` or `SimpleStrategy {replication_factor=2}`, what
    /// `StorageService.getKeyspaceReplicationInfo(String)` answers (4.0 and later). Transient replicas count: they
    /// take part in a quorum.
    pub fn parse(text: &str) -> Self {
        let (strategy, options) = text.split_once(' ').unwrap_or((text, ""));
        let options = options.trim().trim_start_matches('{').trim_end_matches('}');
        let factors: BTreeMap<String, usize> = options
            .split(',')
            .filter_map(|option| {
                let (name, factor) = option.trim().split_once('=')?;
                let full = factor.split('/').next()?;
                Some((name.to_owned(), full.trim().parse().ok()?))
            })
            .collect();
        match strategy {
            "NetworkTopologyStrategy" => Self::Topology(factors),
            "SimpleStrategy" => match factors.get("replication_factor") {
                Some(&factor) => Self::Simple(factor),
                None => Self::Other(text.to_owned()),
            },
            other => Self::Other(other.to_owned()),
        }
    }

    /// Data centers with replicas, of a strategy that knows data centers.
    pub fn dcs(&self) -> impl Iterator<Item = &str> {
        let factors = match self {
            Self::Topology(factors) => Some(factors),
            Self::Simple(_) | Self::Other(_) => None,
        };
        let some = factors.into_iter().flatten();
        some.filter(|(_, factor)| **factor > 0)
            .map(|(dc, _)| dc.as_str())
    }

    /// Replicas that a data center is asked to have; those of `SimpleStrategy` may be anywhere.
    pub fn in_dc(&self, dc: &str) -> Option<usize> {
        match self {
            Self::Topology(factors) => Some(factors.get(dc).copied().unwrap_or(0)),
            Self::Simple(_) | Self::Other(_) => None,
        }
    }
}

impl std::fmt::Display for Replication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Simple(factor) => write!(f, "SimpleStrategy {factor}"),
            Self::Topology(factors) => {
                let factors: Vec<String> = factors
                    .iter()
                    .map(|(dc, factor)| format!("{dc}={factor}"))
                    .collect();
                write!(f, "{}", factors.join(", "))
            }
            Self::Other(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cassandra_answers_is_understood() {
        let parse = Replication::parse;
        let topology = |factors: &[(&str, usize)]| {
            Replication::Topology(
                factors
                    .iter()
                    .map(|(dc, factor)| ((*dc).to_owned(), *factor))
                    .collect(),
            )
        };
        assert_eq!(
            parse("SimpleStrategy {replication_factor=3}"),
            Replication::Simple(3)
        );
        assert_eq!(
            parse("NetworkTopologyStrategy {dc1=3, dc2=3/1}"),
            topology(&[("dc1", 3), ("dc2", 3)])
        );
        assert_eq!(parse("NetworkTopologyStrategy {}"), topology(&[]));
        assert_eq!(
            parse("EverywhereStrategy {}"),
            Replication::Other("EverywhereStrategy".into())
        );
        assert_eq!(parse(""), Replication::Other(String::new()));
    }
}
