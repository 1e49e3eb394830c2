//! `pause`, `resume`, `cancel`, `retry`, `waive`: one annotation beside a request that stands.

mod written;

use std::time::Duration;

use casskop_common::{api::CassandraCluster, operations};
use clap::{ArgMatches, FromArgMatches};

use super::{live, usage};
use crate::{
    annotations,
    cli::{self, Connection, Edit},
    client,
    clusters::Clusters,
    control::{
        self, Control,
        subject::{Subject, Which},
    },
    error::{CliError, Kind, Result},
    follow::{Change, Follower},
    ui::Ui,
};
pub use written::{Written, print, taken_from};

/// How long the operator may take to notice that an annotation was taken away.
const NOTICE: Duration = Duration::from_secs(30);

/// A command as it was typed.
struct Order {
    cluster: String,
    kind: Option<String>,
    id: Option<String>,
    control: Control,
    edit: Edit,
}

/// Carries out the control `verb`.
///
/// # Errors
/// When there is no such request, it cannot be done to it, or the annotation is not written.
pub fn run(verb: &str, matches: &ArgMatches, ui: &Ui) -> Result<()> {
    let flags = Connection::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let order = order(verb, matches)?;
    live(carry_out(order, &flags, ui))
}

fn order(verb: &str, matches: &ArgMatches) -> Result<Order> {
    if verb == "waive" {
        let cli::Waive { name, words, edit } =
            cli::Waive::from_arg_matches(matches).map_err(|error| usage(&error))?;
        let (kind, checks) = split(&words);
        if checks.is_empty() {
            return Err(CliError::usage("name the checks to waive")
                .hint(format!("see them: {} explain {name}", cli::PROGRAM)));
        }
        return Ok(Order {
            cluster: name,
            kind,
            id: None,
            control: Control::Waive(checks),
            edit,
        });
    }
    let cli::Control { subject, edit } =
        cli::Control::from_arg_matches(matches).map_err(|error| usage(&error))?;
    Ok(Order {
        cluster: subject.name,
        kind: subject.kind,
        id: subject.id,
        control: match verb {
            "pause" => Control::Pause,
            "resume" => Control::Resume,
            "cancel" => Control::Cancel,
            _ => Control::Retry,
        },
        edit,
    })
}

/// `[KIND] CHECK…`: no check is called as a kind is.
fn split(words: &[String]) -> (Option<String>, Vec<String>) {
    let mut words: Vec<String> = words
        .iter()
        .flat_map(|word| word.split(','))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let is_kind = words
        .first()
        .is_some_and(|first| operations::kinds().any(|kind| kind == first));
    let kind = is_kind.then(|| words.remove(0));
    (kind, words)
}

async fn carry_out(order: Order, flags: &Connection, ui: &Ui) -> Result<()> {
    let clusters = Clusters::connect(flags)?;
    let again = client::again(flags);
    let name = &order.cluster;
    let dry_run = order.edit.dry_run.is_some();
    let mut done: Option<(Subject, control::Change)> = None;
    let mut from = None;
    // A retry that was carried out must be seen to be gone before the next one counts.
    let mut take_back = order.control == Control::Retry && !dry_run;
    loop {
        let decide = |cluster: &CassandraCluster| {
            annotations::refuse_deleted(cluster)?;
            let subject = pick(&order, cluster, &again)?;
            if let Some((before, _)) = &done
                && before.id != subject.id
            {
                return Err(replaced(name, before, &subject));
            }
            let mut change = order.control.judge(&subject, cluster, &again)?;
            take_back &= control::was_retried(&subject);
            if take_back {
                change.annotations = control::taken_back(&subject, cluster);
            }
            let annotations = change.annotations.clone();
            from = taken_from(cluster, &annotations);
            done = Some((subject, change));
            Ok(annotations)
        };
        if dry_run {
            let mut decide = decide;
            decide(&clusters.get(name).await?)?;
            break;
        }
        let cluster = annotations::write(&clusters, name, decide).await?;
        if !std::mem::take(&mut take_back) {
            break;
        }
        noticed(&order, &clusters, cluster, &again).await?;
    }
    let Some((subject, change)) = done else {
        return Ok(());
    };
    let written = Written {
        name,
        namespace: Some(clusters.place.namespace.clone()),
        annotations: change.annotations,
        taken_from: from,
        told: change.told,
        next: next(&order, &subject, &again),
        again,
    };
    print(&written, &order.edit, ui)
}

fn replaced(name: &str, before: &Subject, now: &Subject) -> CliError {
    CliError::failed(format!(
        "{} {} on cluster {name} was replaced by {} just now; nothing was written",
        before.kind, before.id, now.id
    ))
}

fn pick(order: &Order, cluster: &CassandraCluster, again: &str) -> Result<Subject> {
    let which = Which {
        kind: order.kind.as_deref(),
        id: order.id.as_deref(),
        verb: order.control.verb(),
        again,
    };
    which.pick(cluster, |subject| order.control.fits(subject, cluster))
}

/// The command that comes next.
fn next(order: &Order, subject: &Subject, again: &str) -> String {
    let (program, name) = (cli::PROGRAM, &order.cluster);
    let Subject { kind, id, .. } = subject;
    match order.control {
        Control::Pause => format!("go on with it: {program} resume {name} {kind}{again}"),
        _ => format!("wait for its end: {program} wait {name} {kind} --id {id}{again}"),
    }
}

/// Waits until the operator has seen that the retry before was taken back.
async fn noticed(
    order: &Order,
    clusters: &Clusters,
    mut cluster: Box<CassandraCluster>,
    again: &str,
) -> Result<()> {
    let mut follower = Follower::after(clusters, &cluster);
    let seen = tokio::time::timeout(NOTICE, async {
        while control::was_retried(&pick(order, &cluster, again)?) {
            match follower.next().await? {
                Change::Seen(seen) => cluster = seen,
                Change::Trouble(_) => {}
                Change::Deleted => {
                    return Err(CliError::failed(format!(
                        "cassandracluster {} was deleted; nothing is tried again",
                        order.cluster
                    )));
                }
            }
        }
        Ok(())
    });
    seen.await.unwrap_or_else(|_| {
        Err(CliError::new(Kind::TimedOut, format!(
            "the retry before was taken back, but the operator has not noticed within {}s; nothing is tried again yet",
            NOTICE.as_secs()
        ))
        .hint(format!("see whether it runs: {} explain {}{again}", cli::PROGRAM, order.cluster))
        .hint("then run the command again"))
    })
}
