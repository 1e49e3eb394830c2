//! `events`: what happened to a cluster and to its objects.

use clap::Args;
use futures::StreamExt;
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, WatchEvent, WatchParams},
};
use serde_json::json;
use tokio::time::{Duration, sleep, timeout};

use super::{
    arguments::{ListArgs, ListOutput, ViewArgs},
    validators::{SHORT_EXIT_CODES, help},
};
use crate::{
    client::{
        clusters::Clusters,
        connection::Connection,
        failure::{self, Call},
        objects,
        resource::EVENTS,
    },
    error::{CliError, Result},
    model::events::{Event, Objects},
    runtime::block_on,
    terminal::Ui,
    time, view,
};

/// Pause before a lost watch is opened again.
const PAUSE: Duration = Duration::from_secs(1);
/// Seconds after which the server ends a watch, which is then opened again.
const WATCH_SECONDS: u32 = 120;
/// Longest silence of a watch: the server ends every watch earlier.
const SILENCE: Duration = Duration::from_secs(130);

/// List the events of a cluster and of its objects, oldest first
#[derive(Args, Debug)]
#[command(after_help = help(HELP, SHORT_EXIT_CODES))]
pub struct Events {
    #[command(flatten)]
    args: ViewArgs,
    /// Follow new events until Ctrl-C
    #[arg(short, long)]
    watch: bool,
}

impl Events {
    /// Lists the events of a cluster, and with `--watch` those to come.
    ///
    /// # Errors
    /// When the clusters cannot be read.
    pub fn run(self, flags: &Connection, ui: &Ui) -> Result<()> {
        let ViewArgs {
            name,
            printed: ListArgs { output },
        } = &self.args;
        if self.watch && *output != ListOutput::Text {
            return Err(CliError::usage(
                "--watch is for people: it goes with -o text",
            ));
        }
        block_on(async {
            let clusters = Clusters::connect(flags)?;
            let cluster = clusters.get(name).await?;
            let known = Objects::of(&cluster);
            let (found, version) = list(&clusters, &known).await?;
            if found.is_empty() && *output == ListOutput::Text {
                ui.say(&format!(
                    "There are no events about cluster {}; Kubernetes keeps them for an hour.",
                    cluster.name_any()
                ));
            } else {
                let data = json!({ "events": found });
                let text = || view::events::render(&found, time::now(), ui.out);
                output.print(&data, text, ui)?;
            }
            if self.watch {
                watch(&clusters, &known, version, ui).await?;
            }
            Ok(())
        })
    }
}

/// The events about these objects, oldest first, and from where a watch goes on.
async fn list(clusters: &Clusters, known: &Objects) -> Result<(Vec<Event>, String)> {
    let all = objects::list(clusters, &EVENTS, "").await?;
    let events = all.items.iter().map(objects::part::<Event>);
    let mut events: Vec<Event> = events
        .filter(|event| known.have(&event.regarding))
        .collect();
    events.sort_by_key(Event::last_observed);
    Ok((events, all.metadata.resource_version.unwrap_or_default()))
}

/// Prints a line for each new event.
async fn watch(clusters: &Clusters, known: &Objects, mut from: String, ui: &Ui) -> Result<()> {
    let namespace = &clusters.target.namespace;
    let call = Call {
        verb: "watch",
        resource: &EVENTS,
        name: None,
        namespace: Some(namespace),
    };
    let api = EVENTS.api(clusters.client(), Some(namespace));
    loop {
        // Events in between may be missed; no event is printed twice.
        if let Err(error) = changes(&api, &mut from, known, ui).await? {
            if !failure::is_transient(&error) {
                return Err(failure::call(&error, &call, &clusters.target));
            }
            from = list(clusters, known).await?.1;
        }
        sleep(PAUSE).await;
    }
}

/// Prints events until the watch ends, by itself or with an error.
async fn changes(
    api: &Api<DynamicObject>,
    from: &mut String,
    known: &Objects,
    ui: &Ui,
) -> Result<kube::Result<()>> {
    let params = WatchParams::default().timeout(WATCH_SECONDS);
    let mut stream = match api.watch(&params, from).await {
        Ok(stream) => stream.boxed(),
        Err(error) => return Ok(Err(error)),
    };
    loop {
        let Ok(Some(event)) = timeout(SILENCE, stream.next()).await else {
            return Ok(Ok(()));
        };
        match event {
            Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                if let Some(version) = object.resource_version() {
                    *from = version;
                }
                let event: Event = objects::part(&object);
                if known.have(&event.regarding) {
                    ui.data(&view::events::line(&event, time::now(), ui.out))?;
                }
            }
            Ok(WatchEvent::Bookmark(mark)) => *from = mark.metadata.resource_version,
            Ok(WatchEvent::Deleted(_)) => {}
            Ok(WatchEvent::Error(status)) => return Ok(Err(kube::Error::Api(status))),
            Err(error) => return Ok(Err(error)),
        }
    }
}

const HELP: &str = "Examples:
  kubectl casskop events demo
  kubectl casskop events demo --watch
  kubectl casskop events demo -o yaml";
