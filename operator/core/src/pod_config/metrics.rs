//! The Prometheus JMX agent in a pod: metrics of Cassandra itself, for `spec.metrics`.

use casskop_common::{api::Metrics, names};

use super::certificates::CONFIG;

/// Name of the agent in the configuration folder.
pub const AGENT: &str = "metrics-agent.jar";
/// Its settings, beside it.
pub const SETTINGS: &str = "metrics.yaml";
/// Settings without tables: the names of `MBeans`, then the rules.
const RULES: &str = include_str!("metrics/agent.yaml");
/// End of the names.
const BEGIN: &str = "\nexcludeObjectNameAttributes:\n";
/// Names of the `MBeans` of a table that have rules.
const OF_A_TABLE: [&str; 9] = [
    "ReadLatency",
    "WriteLatency",
    "LiveDiskSpaceUsed",
    "LiveSSTableCount",
    "PendingCompactions",
    "MaxPartitionSize",
    "PercentRepaired",
    "SSTablesPerReadHistogram",
    "TombstoneScannedHistogram",
];

/// The argument of `-javaagent:`.
pub(super) fn agent_argument() -> String {
    let port = names::METRICS_PORT;
    format!("{CONFIG}/{AGENT}={port}:{CONFIG}/{SETTINGS}")
}

/// Checks the patterns of the tables, at each reconciliation.
///
/// # Errors
/// A pattern that names no tables.
pub fn check(metrics: &Metrics) -> Result<(), String> {
    metrics
        .tables
        .iter()
        .try_for_each(|pattern| parts(pattern).map(drop))
}

/// The settings of the agent, with the tables that have metrics of their own.
///
/// # Errors
/// A pattern that names no tables.
pub fn settings(metrics: &Metrics) -> Result<String, String> {
    let mut beans = Vec::new();
    for pattern in &metrics.tables {
        let (keyspace, table) = parts(pattern)?;
        for name in OF_A_TABLE {
            beans.push(format!(
                "\n  - org.apache.cassandra.metrics:type=Table,keyspace={keyspace},scope={table},name={name}"
            ));
        }
    }
    Ok(RULES.replacen(BEGIN, &(beans.concat() + BEGIN), 1))
}

/// Keyspace and table of a pattern. The schema of the resource says the same; a resource that was stored before may not follow it.
fn parts(pattern: &str) -> Result<(&str, &str), String> {
    let is_name = |name: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '*' | '?');
        !name.is_empty() && name.chars().all(is_part)
    };
    pattern
        .split_once('.')
        .filter(|(keyspace, table)| is_name(keyspace) && is_name(table))
        .ok_or_else(|| {
            format!(
                "'{pattern}' names no tables: write <keyspace>.<table> with letters, digits, '_', and '*' or '?' for any characters"
            )
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn parsed(tables: &[&str]) -> Value {
        let tables = tables.iter().map(|&table| table.to_owned()).collect();
        let text = settings(&Metrics { tables }).unwrap();
        serde_saphyr::from_str(&text).unwrap()
    }

    fn beans(settings: &Value) -> Vec<String> {
        let beans = settings["includeObjectNames"].as_array().unwrap().iter();
        beans
            .map(|bean| bean.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn tables_are_added_to_the_names_that_all_nodes_have() {
        let none = beans(&parsed(&[]));
        let some = beans(&parsed(&["orders.*", "shop.item"]));
        assert_eq!(some[..none.len()], none);
        assert_eq!(some.len(), none.len() + 2 * OF_A_TABLE.len());
        assert_eq!(
            some.last().unwrap(),
            "org.apache.cassandra.metrics:type=Table,keyspace=shop,scope=item,name=TombstoneScannedHistogram"
        );
        assert_eq!(parsed(&["orders.*"])["rules"], parsed(&[])["rules"]);
    }

    #[test]
    fn words_that_are_no_patterns_are_refused() {
        for pattern in [
            "",
            ".",
            "orders",
            "a.b.c",
            "a.b,name=*",
            "a.\"b\"",
            "a.b\n- c",
            "ä.b",
        ] {
            let tables = vec![pattern.to_owned()];
            let metrics = Metrics { tables };
            assert!(settings(&metrics).is_err(), "{pattern}");
            assert!(check(&metrics).is_err(), "{pattern}");
        }
    }

    /// A name without a wildcard is looked up; with one, all names of a node are compared at each scrape.
    #[test]
    fn names_have_no_wildcard_where_they_need_none() {
        let with: Vec<_> = beans(&parsed(&[]))
            .into_iter()
            .filter(|bean| bean.contains('*'))
            .collect();
        assert_eq!(with, Vec::<String>::new());
    }

    /// <https://prometheus.io/docs/practices/naming/>; the labels are few and bounded.
    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let settings = parsed(&[]);
        let rules = settings["rules"].as_array().unwrap();
        let mut told = BTreeSet::new();
        for rule in rules {
            let name = rule["name"].as_str().unwrap();
            let is_counter = rule["type"] == "COUNTER";
            assert_eq!(name.ends_with("_total"), is_counter, "{name}");
            assert!(name.starts_with("cassandra_"), "{name}");
            assert!(!rule["help"].as_str().unwrap().is_empty(), "{name}");
            let labels = rule["labels"].as_object();
            let labels = labels
                .into_iter()
                .flatten()
                .map(|(label, _)| label.as_str());
            let mut labels: Vec<_> = labels.collect();
            labels.sort_unstable();
            told.insert(format!("{name}{{{}}}", labels.join(",")));
        }
        insta::assert_snapshot!(told.into_iter().collect::<Vec<_>>().join("\n"));
    }
}
