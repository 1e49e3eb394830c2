//! The policy of the agent: the rows only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use crate::node_api::jolokia::rows::{ATTRIBUTES, OPERATIONS};

/// Attributes and operations of one `MBean`.
type Allowed = (BTreeSet<&'static str>, BTreeSet<&'static str>);

/// The text of `jolokia-policy.xml`. A pod keeps the policy that it was started with: if a newer version of the
/// operator adds a row, a pod that was started before rejects the request with [`NodeError::Forbidden`] until it
/// restarts.
///
/// [`NodeError::Forbidden`]: casskop_core::node::NodeError::Forbidden
pub fn policy() -> String {
    let mut mbeans: BTreeMap<&str, Allowed> = BTreeMap::new();
    for row in ATTRIBUTES {
        mbeans.entry(row.mbean).or_default().0.extend(row.names);
    }
    for row in OPERATIONS {
        mbeans.entry(row.mbean).or_default().1.insert(row.operation);
    }
    // A command in <commands> would be allowed for all MBeans, so `read` and `exec` are granted for one MBean at a
    // time. Jolokia compares the operation with its signature, as in the request.
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- Requests of casskop-operator; the agent refuses all others. -->\n\
         <restrict>\n  <http><method>post</method></http>\n  <commands><command>version</command></commands>\n  <allow>\n",
    );
    for (mbean, (attributes, operations)) in mbeans {
        let _ = writeln!(text, "    <mbean>\n      <name>{mbean}</name>");
        for name in attributes {
            let _ = writeln!(text, "      <attribute mode=\"read\">{name}</attribute>");
        }
        for operation in operations {
            let _ = writeln!(text, "      <operation>{operation}</operation>");
        }
        text.push_str("    </mbean>\n");
    }
    text.push_str("  </allow>\n</restrict>\n");
    text
}
