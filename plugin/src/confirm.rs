//! What a request discards for good is named, and has to be confirmed, before it is written.

use std::io::{self, BufRead, IsTerminal, Write};

use casskop_common::{api::CassandraCluster, intent::Request, names};
use kube::ResourceExt;

use crate::{
    error::{CliError, Result},
    request::typed,
    text::{bytes, plain},
    topology::{self, Node},
    ui::{Ui, status},
};

/// What is lost, and the word that says that this is known.
#[derive(Debug, PartialEq)]
pub struct Loss {
    title: String,
    nodes: Vec<String>,
    word: String,
    what: &'static str,
}

/// What a request discards.
pub fn loss(cluster: &CassandraCluster, request: &Request, about: &str, namespace: &str) -> Loss {
    let name = cluster.name_any();
    let racks = topology::nodes(cluster);
    let pods = &request.arguments.shared.target.pod;
    let meant = |node: &&Node| {
        let id = node
            .status
            .map(|status| status.host_id.as_str())
            .unwrap_or_default();
        pods.contains(&node.pod) || (!id.is_empty() && request.arguments.text.contains(id))
    };
    let nodes = racks
        .values()
        .flatten()
        .filter(meant)
        .map(described)
        .collect();
    let (word, what) = match pods.as_slice() {
        [pod] => (pod.clone(), "pod"),
        _ => (name.clone(), "cluster"),
    };
    let arguments = typed(&request.arguments.text);
    let kind = &request.kind;
    let title = format!(
        "{kind} {arguments} on cluster {name} in namespace {namespace} discards data for good.\n{kind}: {about}"
    );
    Loss {
        title,
        nodes,
        word,
        what,
    }
}

/// `demo-dc1-rack1-0, DN down, 1.2 GiB in volume data-demo-dc1-rack1-0, host id …`.
fn described(node: &Node) -> String {
    let pod = &node.pod;
    let volume = format!("{}-{pod}", names::DATA_VOLUME);
    let Some(known) = node.status else {
        return format!("{pod}, not reported, and its volume {volume}");
    };
    let (code, words, _) = status::state(known);
    let load = known.load_bytes.map_or_else(|| "its data".into(), bytes);
    // A node that has only begun has told none yet.
    let host_id = match plain(&known.host_id) {
        unknown if unknown.is_empty() => String::new(),
        id => format!(", host id {id}"),
    };
    format!("{pod} ({code}: {words}){host_id}, {load} in volume {volume}")
}

/// Goes on only if a person types the word.
///
/// # Errors
/// When another word is typed, or there is nobody to ask.
pub fn confirm(loss: &Loss, ui: &Ui) -> Result<()> {
    ui.warn(&loss.title);
    if !loss.nodes.is_empty() {
        ui.say("lost for good:");
    }
    for node in &loss.nodes {
        ui.say(&format!("  {node}"));
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(CliError::failed(
            "there is no terminal to confirm it on; nothing was requested",
        )
        .hint("confirm it on the command line: --yes")
        .hint("see the plan first: --dry-run"));
    }
    ask(loss, &mut io::stdin().lock(), &mut io::stderr().lock())
}

fn ask(loss: &Loss, typed: &mut impl BufRead, screen: &mut impl Write) -> Result<()> {
    let Loss { word, what, .. } = loss;
    let mut line = String::new();
    let asked = write!(screen, "Type the name of the {what} to confirm ({word}): ")
        .and_then(|()| screen.flush())
        .and_then(|()| typed.read_line(&mut line));
    match asked {
        Ok(_) if line.trim() == word => Ok(()),
        Ok(read) if line.trim().is_empty() => {
            if read == 0 {
                // The answer that did not come has left the cursor behind the question.
                let _ = writeln!(screen);
            }
            Err(CliError::failed("not confirmed; nothing was requested"))
        }
        Ok(_) => Err(CliError::failed(format!(
            "not confirmed: '{}' is not {word}; nothing was requested",
            plain(line.trim())
        ))),
        Err(error) => Err(CliError::failed(format!(
            "the confirmation cannot be read: {error}; nothing was requested"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(typed: &str) -> (Option<String>, String) {
        let loss = Loss {
            title: String::new(),
            nodes: Vec::new(),
            word: "demo-dc1-rack1-0".into(),
            what: "pod",
        };
        let mut screen = Vec::new();
        let result = ask(&loss, &mut typed.as_bytes(), &mut screen);
        let screen = String::from_utf8(screen).unwrap();
        (result.err().map(|error| error.message), screen)
    }

    #[test]
    fn only_the_word_itself_confirms() {
        let question = "Type the name of the pod to confirm (demo-dc1-rack1-0): ";
        assert_eq!(answer("demo-dc1-rack1-0\n"), (None, question.into()));
        for typed in ["", "\n", "y\n", "demo-dc1-rack1-00\n"] {
            assert!(
                answer(typed)
                    .0
                    .is_some_and(|why| why.contains("nothing was requested")),
                "{typed}"
            );
        }
    }
}
