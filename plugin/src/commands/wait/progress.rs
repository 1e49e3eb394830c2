//! Progress on stderr: a region that is repainted on a terminal, a line for each change elsewhere.

use std::{collections::BTreeMap, future::pending, io, time::Duration};

use casskop_common::api::{NodePhase, OperationStatus};

use crate::{
    model::wait::Awaited,
    terminal::{Ui, region::Region},
    text::plain,
    time,
    view::operation,
};

/// How often elapsed times are repainted.
const TICK: Duration = Duration::from_secs(1);

/// Progress on stderr, and the part that was printed so far.
pub struct Progress<'a> {
    ui: &'a Ui,
    region: Option<Region<io::Stderr>>,
    summary: String,
    nodes: BTreeMap<String, (NodePhase, String)>,
    is_disconnected: bool,
}

impl<'a> Progress<'a> {
    /// Nothing is printed yet.
    pub fn new(ui: &'a Ui) -> Self {
        let region = ui.live_err.then(|| Region::new(io::stderr()));
        Self {
            ui,
            region,
            summary: String::new(),
            nodes: BTreeMap::new(),
            is_disconnected: false,
        }
    }

    /// Prints that the request is on the cluster.
    pub fn requested(&self, awaited: &Awaited, known: bool) {
        let requested = if known {
            "was already requested"
        } else {
            "requested"
        };
        self.ui.say(&format!(
            "{}{} {} {requested} on cluster {}",
            if awaited.dry_run { "the plan of " } else { "" },
            awaited.kind,
            awaited.id,
            awaited.cluster
        ));
    }

    /// Prints the progress of the operation.
    pub fn show(&mut self, state: &OperationStatus) {
        if let Some(region) = &mut self.region {
            let block = operation::block(state, false, time::now(), self.ui.err);
            // A closed terminal does not end the wait: the exit code still counts.
            let _ = region.paint(&block.join("\n"));
            return;
        }
        let summary = match plain(&state.message) {
            message if message.is_empty() => state.phase.as_str().to_owned(),
            message => format!("{}: {message}", state.phase.as_str()),
        };
        if summary != self.summary {
            self.ui.say(&summary);
            self.summary = summary;
        }
        for node in &state.nodes {
            let done = node
                .progress
                .as_ref()
                .map(|progress| progress.done)
                .unwrap_or_default();
            let now = (
                node.phase,
                format!("{done} {} {}", node.step, node.attempts),
            );
            let before = self.nodes.insert(node.pod.clone(), now.clone());
            if before.as_ref() != Some(&now) && node.phase != NodePhase::Pending {
                let line = operation::node_state(node, time::now(), self.ui.err);
                self.ui.say(&format!("{}  {line}", plain(&node.pod)));
            }
        }
    }

    /// Prints a warning above the region.
    pub fn note(&mut self, text: &str) {
        self.end();
        self.ui.warn(text);
    }

    /// Warns once that the connection was lost.
    pub fn disconnected(&mut self, why: &str) {
        if !self.is_disconnected {
            self.note(&format!(
                "the connection to the API server was lost ({why}); retrying"
            ));
            self.is_disconnected = true;
        }
    }

    /// The connection works again.
    pub fn reconnected(&mut self) {
        self.is_disconnected = false;
    }

    /// Erases the region.
    pub fn end(&mut self) {
        if let Some(region) = &mut self.region {
            let _ = region.erase();
        }
    }

    /// Waits until the next repaint.
    pub async fn tick(&self) {
        match self.region {
            Some(_) => tokio::time::sleep(TICK).await,
            None => pending().await,
        }
    }
}
