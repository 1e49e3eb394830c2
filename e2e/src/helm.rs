//! The real helm, with the chart of the repository and the operator's image of the testbed.

use std::sync::OnceLock;

use crate::{
    command::{self, Output, setting},
    kubectl::Kubectl,
    space::workspace,
    trouble::testbed,
};

/// The release of the tests, one in each namespace.
pub const RELEASE: &str = "casskop";

/// Releases of the chart in one namespace.
pub struct Helm {
    kubectl: Kubectl,
}

impl Helm {
    /// In the namespace of `kubectl`, without the release of an earlier run.
    pub fn new(kubectl: &Kubectl) -> Self {
        let helm = Self {
            kubectl: kubectl.clone(),
        };
        helm.ok(&["uninstall", RELEASE, "--ignore-not-found", "--wait"]);
        helm
    }

    /// Runs `helm`, and returns its output on success and on failure.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = self.kubectl.site.inside(&program());
        for folder in ["CACHE", "CONFIG", "DATA"] {
            let path = self.kubectl.site.scratch(&format!("helm-{folder}"));
            command.env(format!("HELM_{folder}_HOME"), path);
        }
        command.args(["--namespace", &self.kubectl.namespace]);
        command.args(args);
        command::run(command, "")
    }

    /// Runs `helm` successfully and returns its standard output.
    pub fn ok(&self, args: &[&str]) -> String {
        self.run(args).ok()
    }

    /// Installs the release with the operator's image of the testbed, and waits until all of its objects are ready.
    pub fn install(&self, more: &[&str]) {
        let chart = chart();
        let image = setting("OPERATOR_IMAGE");
        let (repository, tag) = image.rsplit_once(':').expect("the image has a tag");
        let repository = format!("image.repository={repository}");
        let tag = format!("image.tag={tag}");
        let install = ["install", RELEASE, &chart, "--wait", "--timeout=300s"];
        let values = ["--set", &repository, "--set", &tag];
        self.ok(&[&install[..], &values, more].concat());
    }
}

/// The folder of the chart.
pub fn chart() -> String {
    let folder = workspace().join("charts/casskop");
    folder.to_string_lossy().into_owned()
}

/// The path of helm, which the testbed builds once and keeps.
fn program() -> String {
    static PATH: OnceLock<String> = OnceLock::new();
    let path = PATH.get_or_init(|| command::run(testbed("helm.sh", &["program"]), "").ok());
    path.trim().to_owned()
}
