//! The command line. Everything that a job has to do is in its description; secrets are never arguments.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use casskop_backup_protocol::{
    Cluster, CompleteJob, FetchJob, Limits, Name, NodeJob, PurgeJob, Store, StoreJob, Summary,
    TERMINATION_LIMIT, exit,
};
use clap::{Args, Parser, Subcommand};
use serde::de::DeserializeOwned;

use crate::bucket::Bucket;
use crate::credentials::Credentials;
use crate::error::{Failure, Result};
use crate::{catalogue, complete, fetch, node, open, purge, verify};

/// Variable with the description of the job.
const JOB: &str = "CASSKOP_BACKUP_JOB";
/// Bytes of the largest description.
const LARGEST_JOB: u64 = 4 << 20;

/// Backups of Cassandra nodes in an object store. Credentials come from the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`) or from
/// the files of a mounted Secret. Exit codes: 0 done, 1 failed for good, 2 wrong arguments, 65 a backup is damaged, 75 try again.
#[derive(Debug, Parser)]
#[command(name = "casskop-backup", version)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Common {
    /// File with the description of the job, in JSON [default: the variable `CASSKOP_BACKUP_JOB`]
    #[arg(long, global = true, value_name = "FILE")]
    job: Option<PathBuf>,
    /// Folder of a mounted Secret with the credentials, a file for each key
    #[arg(long, global = true, value_name = "FOLDER")]
    credentials: Option<PathBuf>,
    /// File that gets the summary too, of 4 KiB at most
    #[arg(long, global = true, value_name = "FILE")]
    termination_log: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Upload the snapshot of one node, and write its manifest
    Node,
    /// Check that the backup has everything, and write its manifest, which makes it exist
    Complete,
    /// List the backups of a cluster
    List,
    /// Print the manifest of a backup
    Show {
        /// Id of the backup
        backup: Name,
    },
    /// Check that everything of a backup is there
    Verify {
        /// Id of the backup
        backup: Name,
        /// Read every object, and compare its content
        #[arg(long)]
        deep: bool,
    },
    /// Delete a backup; a purge deletes the objects that no other backup has
    Delete {
        /// Id of the backup
        backup: Name,
        /// Also one that is being made
        #[arg(long)]
        abandon: bool,
    },
    /// Delete backups that the retention does not keep, and objects without a backup
    Purge,
    /// Bring the files of one node into an empty folder
    Fetch,
}

/// The output of a command.
struct Answer {
    summary: Summary,
    /// In place of the summary.
    text: Option<String>,
}

/// Runs the program with these arguments.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let began = Instant::now();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                exit::USAGE
            } else {
                exit::DONE
            });
        }
    };
    let credentials = Credentials::of_environment();
    let credentials = match &arguments.common.credentials {
        Some(folder) => credentials
            .clone()
            .with_folder(folder)
            .map_err(|failure| (failure, credentials)),
        None => Ok(credentials),
    };
    let (result, credentials) = match credentials {
        Ok(credentials) => (start(&arguments, &credentials), credentials),
        Err((failure, credentials)) => (Err(failure), credentials),
    };
    let mut answer = result.unwrap_or_else(|failure| Answer {
        summary: Summary {
            outcome: failure.outcome,
            error: Some(failure.to_string()),
            ..Summary::default()
        },
        text: None,
    });
    let summary = &mut answer.summary;
    arguments.command.name().clone_into(&mut summary.command);
    summary.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    summary.peak_memory_bytes = peak_memory();
    if summary.backup.is_none() {
        summary.backup = arguments.command.backup().cloned();
    }
    let text = answer
        .text
        .unwrap_or_else(|| answer.summary.line(usize::MAX));
    let mut code = answer.summary.exit_code();
    // Nobody can read the answer: the work is done all the same, and repeating it does no harm.
    if writeln!(std::io::stdout(), "{}", credentials.redact(&text)).is_err() && code == exit::DONE {
        code = exit::RETRY;
    }
    if let Some(file) = &arguments.common.termination_log {
        let _ = std::fs::write(
            file,
            credentials.redact(&answer.summary.line(TERMINATION_LIMIT)),
        );
    }
    ExitCode::from(code)
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Complete => "complete",
            Self::List => "list",
            Self::Show { .. } => "show",
            Self::Verify { .. } => "verify",
            Self::Delete { .. } => "delete",
            Self::Purge => "purge",
            Self::Fetch => "fetch",
        }
    }

    fn backup(&self) -> Option<&Name> {
        match self {
            Self::Show { backup } | Self::Verify { backup, .. } | Self::Delete { backup, .. } => {
                Some(backup)
            }
            _ => None,
        }
    }
}

fn start(arguments: &Arguments, credentials: &Credentials) -> Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build();
    let runtime =
        runtime.map_err(|error| Failure::retry("start", error, "run the same job again"))?;
    runtime.block_on(execute(arguments, credentials))
}

async fn execute(arguments: &Arguments, credentials: &Credentials) -> Result<Answer> {
    let description = description(arguments)?;
    let bucket = |store: &Store, cluster: &Cluster, limits: &Limits| {
        open::open(store, credentials, limits)
            .map(|opened| Bucket::new(opened, store.prefix(), cluster, limits))
    };
    let summary = match &arguments.command {
        Command::Node => {
            let job: NodeJob = parse(&description)?;
            node::node(&bucket(&job.store, &job.cluster, &job.limits)?, &job).await?
        }
        Command::Complete => {
            let job: CompleteJob = parse(&description)?;
            complete::complete(&bucket(&job.store, &job.cluster, &job.limits)?, &job).await?
        }
        Command::Purge => {
            let job: PurgeJob = parse(&description)?;
            purge::purge(&bucket(&job.store, &job.cluster, &job.limits)?, &job).await?
        }
        Command::Fetch => {
            let job: FetchJob = parse(&description)?;
            fetch::fetch(&bucket(&job.store, &job.cluster, &job.limits)?, &job).await?
        }
        command => {
            let job: StoreJob = parse(&description)?;
            let bucket = bucket(&job.store, &job.cluster, &job.limits)?;
            match command {
                Command::Verify { backup, deep } => verify::verify(&bucket, backup, *deep).await?,
                Command::Delete { backup, abandon } => {
                    catalogue::delete(&bucket, backup, *abandon).await?
                }
                Command::Show { backup } => {
                    let manifest = catalogue::show(&bucket, backup).await?;
                    let text = serde_json::to_string(&manifest).ok();
                    let summary = Summary {
                        files: manifest.files,
                        bytes: manifest.bytes,
                        ..Summary::default()
                    };
                    return Ok(Answer { summary, text });
                }
                _ => catalogue::list(&bucket).await?,
            }
        }
    };
    Ok(Answer {
        summary,
        text: None,
    })
}

/// By the kernel's account; 0 where it keeps none.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?
            .trim()
            .strip_suffix(" kB")?
            .parse()
            .ok()
    });
    peak.unwrap_or(0u64) * 1024
}

fn description(arguments: &Arguments) -> Result<String> {
    let next = "give it in a file with --job, or in the environment variable CASSKOP_BACKUP_JOB";
    let what = "read the description of the job";
    let Some(file) = &arguments.common.job else {
        return std::env::var(JOB).map_err(|error| Failure::failed(what, error, next));
    };
    let size = std::fs::metadata(file)
        .map_err(|error| Failure::failed(what, error, next))?
        .len();
    if size > LARGEST_JOB {
        return Err(Failure::failed(what, format!("it has {size} bytes"), next));
    }
    std::fs::read_to_string(file).map_err(|error| Failure::failed(what, error, next))
}

fn parse<T: DeserializeOwned>(description: &str) -> Result<T> {
    serde_json::from_str(description).map_err(|error| {
        Failure::failed(
            "read the description of the job",
            error,
            "write it as the subcommand needs it",
        )
    })
}
