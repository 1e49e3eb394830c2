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

/// What was told so far.
pub struct Progress<'a> {
    ui: &'a Ui,
    region: Option<Region<io::Stderr>>,
    summary: String,
    nodes: BTreeMap<String, (NodePhase, String)>,
    in_trouble: bool,
}

impl<'a> Progress<'a> {
    /// Nothing was told yet.
    pub fn new(ui: &'a Ui) -> Self {
        let region = ui.live_err.then(|| Region::new(io::stderr()));
        Self {
            ui,
            region,
            summary: String::new(),
            nodes: BTreeMap::new(),
            in_trouble: false,
        }
    }

    /// That the request stands.
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

    /// How far the operation is.
    pub fn show(&mut self, state: &OperationStatus) {
        if let Some(region) = &mut self.region {
            let block = operation::block(state, false, time::now(), self.ui.err);
            // A terminal that is gone does not end the wait: its exit code still counts.
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

    /// Something to know, above the region.
    pub fn note(&mut self, text: &str) {
        self.end();
        self.ui.warn(text);
    }

    /// The connection was lost; told once.
    pub fn trouble(&mut self, why: &str) {
        if !self.in_trouble {
            self.note(&format!(
                "the connection to the API server was lost ({why}); trying again"
            ));
            self.in_trouble = true;
        }
    }

    /// The connection is back.
    pub fn recovered(&mut self) {
        self.in_trouble = false;
    }

    /// Takes away the region; what follows stands in its place.
    pub fn end(&mut self) {
        if let Some(region) = &mut self.region {
            let _ = region.erase();
        }
    }

    /// When to repaint.
    pub async fn tick(&self) {
        match self.region {
            Some(_) => tokio::time::sleep(TICK).await,
            None => pending().await,
        }
    }
}
