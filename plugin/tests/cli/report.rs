//! `report` against a small API server: what is in the bundle, what is not, and what is said about it.

pub mod server;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

use crate::{
    fake::{Api, Reply, failure, list, not_found},
    run::{file, fixture, run, run_alone},
};

pub use server::answer;

/// Path within the bundle, and content.
type Files = BTreeMap<String, String>;

/// A name in the test's folder that is not there yet.
pub fn place(ending: &str) -> PathBuf {
    let path = file("");
    fs::remove_file(&path).unwrap();
    let name = format!("{}{ending}", path.file_name().unwrap().to_str().unwrap());
    path.with_file_name(name)
}

/// The output of a run, and its requests in sorted order: logs are read several at a time.
fn shown(api: &Api, path: &Path) -> String {
    let path = path.to_str().unwrap();
    let shown = run(api, &["report", "demo", "-f", path]);
    let (said, asked) = shown.split_once("\nGET ").unwrap();
    let mut asked: Vec<&str> = asked.trim_end().split("\nGET ").collect();
    asked.sort_unstable();
    format!("{said}\nGET {}", asked.join("\nGET ")).replace(path, "FILE")
}

fn unpack(path: &Path) -> Files {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(path).unwrap()));
    let files = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mode().unwrap(), 0o600);
        let path = entry.path().unwrap().display().to_string();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        (path, content)
    });
    files.collect()
}

#[test]
fn a_whole_bundle() {
    let archive = place(".tar.gz");
    insta::assert_snapshot!(shown(&Api::start(answer), &archive));
    let files = unpack(&archive);
    let all = serde_json::to_string(&files).unwrap();
    for hidden in [
        "s3cr3t",
        "czNjcjN0",
        "am9sb2tpYQ",
        "managedFields",
        "last-applied",
        "about other",
        "demolition",
    ] {
        assert!(!all.contains(hidden), "{hidden} is in {all}");
    }
    let text: Vec<String> = files
        .iter()
        .map(|(path, content)| format!("=== {path}\n{content}"))
        .collect();
    insta::assert_snapshot!("the_files", text.join("\n"));
}

#[test]
fn a_folder_has_the_same_files() {
    let (archive, folder) = (place(".tgz"), place(""));
    for path in [&archive, &folder] {
        let shown = run(
            &Api::start(answer),
            &["report", "demo", "-f", path.to_str().unwrap()],
        );
        assert!(shown.contains("exit code 0"), "{shown}");
    }
    let files = unpack(&archive);
    for (path, content) in &files {
        let path = path.split_once('/').unwrap().1;
        assert_eq!(
            &fs::read_to_string(folder.join(path)).unwrap(),
            content,
            "{path}"
        );
    }
    let count = |folder: &Path| walk(folder).len();
    assert_eq!(count(&folder), files.len());
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn without_logs() {
    let archive = place(".tar.gz");
    let path = archive.to_str().unwrap();
    let shown = run(
        &Api::start(answer),
        &[
            "report",
            "demo",
            "-f",
            path,
            "--tail",
            "0",
            "--operator-namespace",
            "casskop",
        ],
    );
    assert!(!shown.contains("/log?"), "{shown}");
    assert!(shown.contains("/namespaces/casskop/deployments"), "{shown}");
    assert!(unpack(&archive).keys().all(|path| !path.contains(".log")));
}

/// Reads the cluster and its pods, and nothing else.
#[test]
fn what_may_not_be_read_is_left_out_and_told() {
    let archive = place(".tar.gz");
    let api = Api::start(
        |asked| match asked.path.split('?').next().unwrap_or_default() {
            path if path.ends_with("/demo")
                || path.ends_with("/shop/pods")
                || path == "/version" =>
            {
                answer(asked)
            }
            _ => failure(403, "Forbidden", "User \"jane\" cannot do that"),
        },
    );
    insta::assert_snapshot!(shown(&api, &archive));
    let files = unpack(&archive);
    let report = files
        .iter()
        .find(|(path, _)| path.ends_with("/report.txt"))
        .unwrap();
    insta::assert_snapshot!("what_is_missing", report.1);
}

#[test]
fn nothing_may_be_read_at_all() {
    let archive = place(".tar.gz");
    let api = Api::start(|_| failure(403, "Forbidden", "User \"jane\" cannot do that"));
    let shown = run(&api, &["report", "demo", "-f", archive.to_str().unwrap()]);
    assert!(
        shown.contains("resources that you may not read: cassandraclusters.db.orange.com, "),
        "{shown}"
    );
    assert!(shown.contains("exit code 0"), "{shown}");
    assert_eq!(unpack(&archive).len(), 1);
}

#[test]
fn no_such_cluster() {
    let archive = place(".tar.gz");
    let api = Api::start(|asked| {
        if asked.path.ends_with("/dmeo") {
            return not_found(asked);
        }
        Reply::Json(200, list(&[&fixture("healthy.yaml")]))
    });
    let shown = run(&api, &["report", "dmeo", "-f", archive.to_str().unwrap()]);
    insta::assert_snapshot!(shown.replace(archive.to_str().unwrap(), "FILE"));
    assert!(!archive.exists());
}

#[test]
fn a_server_that_is_silent() {
    let archive = place(".tar.gz");
    let api = Api::start(|_| Reply::Silence);
    let shown = run(
        &api,
        &[
            "report",
            "demo",
            "-f",
            archive.to_str().unwrap(),
            "--request-timeout",
            "300ms",
        ],
    );
    assert!(shown.contains("exit code 1"), "{shown}");
    assert!(!archive.exists());
}

#[test]
fn where_nothing_can_be_written_nothing_is_read() {
    let there = file("mine");
    let path = there.to_str().unwrap();
    let missing = format!("{path}-none/demo.tar.gz");
    let shown =
        [path, "demo.zip", &missing].map(|to| run_alone(&["report", "demo", "-f", to], &[]));
    insta::assert_snapshot!(shown.join("\n").replace(path, "FILE"));
    assert_eq!(fs::read_to_string(there).unwrap(), "mine");
}
