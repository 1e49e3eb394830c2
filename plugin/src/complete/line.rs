//! A command line that is not finished. Pure.

use std::time::Duration;

use casskop_common::operations::{ClusterValue, OperationKind};
use clap::{Arg, ArgAction, Command, ValueHint};

use super::Candidate;
use crate::{client::connection::Connection, completer::Completer};

/// Longest wait for the API server, while the shell waits for the candidates.
const LIMIT: Duration = Duration::from_secs(2);

/// The source of the candidates for a word.
pub enum Wanted {
    /// Names of files, by the shell.
    Files,
    /// These candidates.
    Known(Vec<Candidate>),
    /// The names of these objects, from the API server or the kubeconfig.
    Named(Completer),
    /// Parts of the cluster on the line, from its status.
    OfCluster(ClusterValue),
}

/// The words before the cursor.
pub struct Line<'a> {
    root: &'a Command,
    /// The command, once it is named.
    pub command: Option<&'a Command>,
    flags: Vec<(&'a Arg, String)>,
    /// Words that are no flags, after the command.
    pub positionals: Vec<String>,
    /// The flag whose value comes next.
    open: Option<&'a Arg>,
    /// `--flag=` of the word at the cursor, if it has that.
    pub before: String,
    /// The word at the cursor.
    pub current: &'a str,
}

impl<'a> Line<'a> {
    /// Reads the words; the last one is at the cursor.
    pub fn read(root: &'a Command, words: &'a [String]) -> Self {
        let (current, words) = match words.split_last() {
            Some((current, words)) => (current.as_str(), words),
            None => ("", words),
        };
        let mut line = Self {
            root,
            command: None,
            flags: Vec::new(),
            positionals: Vec::new(),
            open: None,
            before: String::new(),
            current,
        };
        for word in words {
            line.word(word);
        }
        if line.open.is_none()
            && let Some((flag, _)) = current.split_once('=')
            && let Some(arg) = line.flag(flag)
        {
            line.open = Some(arg);
            line.before = format!("{flag}=");
        }
        line
    }

    fn word(&mut self, word: &str) {
        if let Some(arg) = self.open.take() {
            self.flags.push((arg, word.to_owned()));
        } else if word.starts_with('-') {
            let (flag, value) = word
                .split_once('=')
                .map_or((word, None), |(flag, value)| (flag, Some(value)));
            let Some(arg) = self.flag(flag) else { return };
            match value {
                None if takes_next_word(arg) => self.open = Some(arg),
                value => self.flags.push((arg, value.unwrap_or_default().to_owned())),
            }
        } else if self.positionals.is_empty()
            && let Some(command) = self.command.unwrap_or(self.root).find_subcommand(word)
        {
            self.command = Some(command);
        } else {
            self.positionals.push(word.to_owned());
        }
    }

    /// The flag with this spelling.
    fn flag(&self, word: &str) -> Option<&'a Arg> {
        let mut arguments = self.command.unwrap_or(self.root).get_arguments();
        if let Some(long) = word.strip_prefix("--") {
            return arguments.find(|arg| arg.get_long() == Some(long));
        }
        let short = word.strip_prefix('-')?.chars().next_back()?;
        arguments.find(|arg| arg.get_short() == Some(short))
    }

    /// The source of the candidates for the word at the cursor.
    pub fn wanted(&self) -> Wanted {
        if let Some(arg) = self.open {
            return values(arg);
        }
        if self.current.starts_with('-') {
            return Wanted::Known(self.flag_candidates());
        }
        let Some(command) = self.command else {
            let unknown = !self.positionals.is_empty();
            return Wanted::Known(if unknown {
                Vec::new()
            } else {
                commands(self.root)
            });
        };
        if command.has_subcommands() {
            return Wanted::Known(commands(command));
        }
        let mut positionals = command.get_positionals();
        let last = command.get_positionals().last();
        let repeated = last.filter(|arg| matches!(arg.get_action(), ArgAction::Append));
        match positionals.nth(self.positionals.len()).or(repeated) {
            Some(arg) => values(arg),
            None => Wanted::Known(self.flag_candidates()),
        }
    }

    /// The flags that can still be given.
    fn flag_candidates(&self) -> Vec<Candidate> {
        let command = self.command.unwrap_or(self.root);
        let given = |arg: &Arg| {
            let mut flags = self.flags.iter();
            let once = !matches!(arg.get_action(), ArgAction::Append);
            once && flags.any(|(flag, _)| flag.get_id() == arg.get_id())
        };
        let flags = command.get_opts().chain(
            command
                .get_arguments()
                .filter(|arg| !arg.get_action().takes_values()),
        );
        let flags = flags.filter(|arg| !arg.is_hide_set() && !given(arg));
        let named = flags.filter_map(|arg| {
            let help = arg.get_help().map(ToString::to_string);
            Some(Candidate::new(
                format!("--{}", arg.get_long()?),
                help.unwrap_or_default(),
            ))
        });
        named.collect()
    }

    /// The value of a flag on the line.
    fn value(&self, id: &str) -> Option<String> {
        let mut flags = self.flags.iter().rev();
        flags
            .find(|(arg, _)| arg.get_id() == id)
            .map(|(_, value)| value.clone())
    }

    /// The connection flags on the line.
    pub fn connection(&self) -> Connection {
        let groups = self
            .flags
            .iter()
            .filter(|(arg, _)| arg.get_id() == "as_group");
        Connection {
            namespace: self.value("namespace"),
            context: self.value("context"),
            kubeconfig: self.value("kubeconfig"),
            kube_cluster: self.value("kube_cluster"),
            kube_user: self.value("kube_user"),
            as_user: self.value("as_user"),
            as_group: groups.map(|(_, group)| group.clone()).collect(),
            token: self.value("token"),
            server: self.value("server"),
            client_certificate: self.value("client_certificate"),
            client_key: self.value("client_key"),
            tls_server_name: self.value("tls_server_name"),
            certificate_authority: self.value("certificate_authority"),
            insecure_skip_tls_verify: self.value("insecure_skip_tls_verify").is_some(),
            request_timeout: LIMIT,
        }
    }
}

fn takes_next_word(arg: &Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

fn commands(root: &Command) -> Vec<Candidate> {
    let all = root.get_subcommands();
    let typed = all.filter(|command| {
        let kind = OperationKind::from_word(command.get_name());
        kind.and_then(OperationKind::asked_by_spec).is_none()
    });
    typed
        .map(|command| {
            let about = command.get_about().map(ToString::to_string);
            Candidate::new(command.get_name(), about.unwrap_or_default())
        })
        .collect()
}

/// The source of the candidates for the value of an argument.
fn values(arg: &Arg) -> Wanted {
    let possible = arg.get_possible_values();
    if !possible.is_empty() && arg.get_action().takes_values() {
        let known = possible.iter().map(|value| {
            let about = value.get_help().map(ToString::to_string);
            Candidate::new(value.get_name(), about.unwrap_or_default())
        });
        return Wanted::Known(known.collect());
    }
    if matches!(
        arg.get_value_hint(),
        ValueHint::AnyPath | ValueHint::FilePath
    ) {
        return Wanted::Files;
    }
    match (arg.get::<Completer>(), arg.get::<ClusterValue>()) {
        (Some(objects), _) => Wanted::Named(*objects),
        (None, Some(value)) => Wanted::OfCluster(*value),
        (None, None) => Wanted::Known(Vec::new()),
    }
}
