//! Sources of sites: contexts of kubeconfigs, and a folder of kubeconfigs. Both may change at any time.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// The configured sources of sites.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Sources {
    /// Context of a site; repeatable. The first one is the home cluster, which has the `MultiCasskop` resources, and the
    /// order is that in which sites join
    #[arg(
        long,
        value_name = "CONTEXT",
        required_unless_present = "home",
        conflicts_with = "home"
    )]
    pub context: Vec<String>,
    /// Kubeconfig with the contexts (default: as kubectl finds it)
    #[arg(long, value_name = "FILE", requires = "context")]
    pub kubeconfig: Option<PathBuf>,
    /// Name of the site that this pod runs in; the site is then the home cluster
    #[arg(long, value_name = "NAME", env = "HOME_SITE")]
    pub home: Option<String>,
    /// Folder with a kubeconfig for each other site: a file with the name of the site, or a folder with that name and
    /// a file `kubeconfig`, as in mounted Secrets. The folder is polled every few seconds
    #[arg(long, value_name = "FOLDER", env = "SITES")]
    pub sites: Option<PathBuf>,
}

/// The connection to a site.
pub struct Source {
    /// Its name.
    pub name: String,
    /// A hash that changes with the connection.
    pub fingerprint: u64,
    /// The client configuration, or the reason why there is none.
    pub config: Result<Config, String>,
}

impl Sources {
    /// All current sites, the home cluster first.
    pub async fn read(&self) -> Vec<Source> {
        let mut sources = Vec::new();
        if let Some(home) = &self.home {
            let config = Config::incluster().map_err(|error| {
                format!("--home needs to run in a pod: {error}; from a shell use --context")
            });
            sources.push(Source {
                name: home.clone(),
                fingerprint: 0,
                config,
            });
        }
        let kubeconfig = self.kubeconfig();
        for name in &self.context {
            sources.push(of_context(name, kubeconfig.clone()).await);
        }
        for (name, file) in self.files() {
            if !sources.iter().any(|source| source.name == name) {
                sources.push(of_file(name, &file).await);
            }
        }
        sources
    }

    /// Whether a site was named on the command line.
    pub fn is_given(&self, name: &str) -> bool {
        let given = self.context.iter().chain(&self.home);
        given.into_iter().any(|given| given == name)
    }

    fn kubeconfig(&self) -> Result<Kubeconfig, String> {
        if self.context.is_empty() {
            return Err(String::new());
        }
        match &self.kubeconfig {
            Some(file) => Kubeconfig::read_from(file)
                .map_err(|error| format!("read {}: {error}", file.display())),
            None => Kubeconfig::read().map_err(|error| format!("read the kubeconfig: {error}")),
        }
    }

    /// Kubeconfigs in the folder of sites, by name. Names that begin with a dot are skipped: mounted Secrets keep
    /// their versions there.
    fn files(&self) -> Vec<(String, PathBuf)> {
        let Some(folder) = &self.sites else {
            return Vec::new();
        };
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::debug!(folder = %folder.display(), %error, "no folder of sites");
                return Vec::new();
            }
        };
        let mut files: Vec<(String, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
            .filter(|(name, _)| !name.starts_with('.'))
            .map(|(name, path)| {
                let in_folder = path.is_dir().then(|| path.join("kubeconfig"));
                (name, in_folder.unwrap_or(path))
            })
            .collect();
        files.sort();
        files
    }
}

async fn of_context(name: &str, kubeconfig: Result<Kubeconfig, String>) -> Source {
    let options = KubeConfigOptions {
        context: Some(name.to_owned()),
        ..KubeConfigOptions::default()
    };
    let fingerprint = kubeconfig.as_ref().map_or(0, |kubeconfig| {
        fingerprint(&serde_json::to_vec(kubeconfig).unwrap_or_default())
    });
    let config = match kubeconfig {
        Err(why) => Err(why),
        Ok(kubeconfig) => {
            let known = known_contexts(&kubeconfig);
            let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
            let config = config.map_err(|error| format!("{error}; the kubeconfig has {known}"));
            config
                .and_then(with_scheme)
                .map_err(|why| format!("context {name}: {why}"))
        }
    };
    Source {
        name: name.to_owned(),
        fingerprint,
        config,
    }
}

async fn of_file(name: String, file: &Path) -> Source {
    let at = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("read {at}: {error}"));
    let fingerprint = text.as_ref().map_or(0, |text| fingerprint(text.as_bytes()));
    let config = match text {
        Err(why) => Err(why),
        Ok(text) => of_text(&text)
            .await
            .map_err(|why| format!("kubeconfig {at}: {why}")),
    };
    Source {
        name,
        fingerprint,
        config,
    }
}

/// The kubeconfig of another site comes from a Secret: only what stands in it is used. A program would run in the pod of
/// the operator, and the content of a file of that pod would be sent to the site.
async fn of_text(text: &str) -> Result<Config, String> {
    // The message of a parser may quote secrets of an invalid kubeconfig.
    let kubeconfig = Kubeconfig::from_yaml(text).map_err(|_| "is not a kubeconfig")?;
    if let Some(field) = reference(&kubeconfig) {
        return Err(format!(
            "{field} is not read for a site: use a token, or certificates as certificate-authority-data, \
             client-certificate-data and client-key-data"
        ));
    }
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| error.to_string())
        .and_then(with_scheme)
}

/// The first field that refers to a program or a file.
fn reference(kubeconfig: &Kubeconfig) -> Option<&'static str> {
    let users = kubeconfig.auth_infos.iter();
    let mut users = users.filter_map(|named| named.auth_info.as_ref());
    let of_user = users.find_map(|user| {
        [
            ("exec", user.exec.is_some()),
            ("auth-provider", user.auth_provider.is_some()),
            ("tokenFile", user.token_file.is_some()),
            ("client-certificate", user.client_certificate.is_some()),
            ("client-key", user.client_key.is_some()),
        ]
        .into_iter()
        .find_map(|(field, is_set)| is_set.then_some(field))
    });
    let clusters = kubeconfig.clusters.iter();
    let mut clusters = clusters.filter_map(|named| named.cluster.as_ref());
    of_user.or_else(|| {
        clusters
            .any(|cluster| cluster.certificate_authority.is_some())
            .then_some("certificate-authority")
    })
}

/// The client panics at a server without a scheme.
fn with_scheme(config: Config) -> Result<Config, String> {
    match config.cluster_url.scheme_str() {
        Some("http" | "https") => Ok(config),
        _ => Err(format!(
            "the server {} is not a URL that begins with https://",
            config.cluster_url
        )),
    }
}

fn known_contexts(kubeconfig: &Kubeconfig) -> String {
    let names: Vec<&str> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.as_str())
        .collect();
    match names[..] {
        [] => "no contexts".to_owned(),
        _ => names.join(", "),
    }
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443'}}]\nusers: [{name: u, user: {token: secret}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("casskop-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn read(sources: &Sources) -> Vec<(String, u64, Result<String, String>)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let all = runtime.block_on(sources.read());
        let server = |source: Source| {
            let url = source.config.map(|config| config.cluster_url.to_string());
            (source.name, source.fingerprint, url)
        };
        all.into_iter().map(server).collect()
    }

    #[test]
    fn files_and_folders_of_a_mounted_secret_are_sites() {
        let folder = folder("sites");
        std::fs::write(folder.join("b"), KUBECONFIG).unwrap();
        std::fs::create_dir_all(folder.join("..data")).unwrap();
        std::fs::create_dir_all(folder.join("a")).unwrap();
        std::fs::write(folder.join("a/kubeconfig"), KUBECONFIG).unwrap();
        std::fs::write(folder.join("broken"), "token: [secret").unwrap();
        let sources = Sources {
            sites: Some(folder.clone()),
            ..Sources::default()
        };
        let found = read(&sources);
        let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "broken"]);
        assert_eq!(found[0].2.as_deref(), Ok("https://10.0.0.1:6443/"));
        let why = found[2].2.as_ref().unwrap_err();
        assert!(
            why.contains("is not a kubeconfig") && !why.contains("secret"),
            "{why}"
        );
        std::fs::write(folder.join("b"), KUBECONFIG.replace("10.0.0.1", "10.0.0.2")).unwrap();
        assert_ne!(read(&sources)[1].1, found[1].1, "a changed file is noticed");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_kubeconfig_of_a_site_runs_no_program_and_reads_no_file() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let of_text = |text: &str| runtime.block_on(of_text(text)).map(|_| ());
        assert_eq!(of_text(KUBECONFIG), Ok(()));
        for (field, user) in [
            (
                "exec",
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: id}",
            ),
            (
                "auth-provider",
                "auth-provider: {name: gcp, config: {cmd-path: id}}",
            ),
            (
                "tokenFile",
                "tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token",
            ),
            ("client-certificate", "client-certificate: /etc/passwd"),
            ("client-key", "client-key: /etc/passwd"),
        ] {
            let why = of_text(&KUBECONFIG.replace("token: secret", user)).unwrap_err();
            assert!(why.starts_with(&format!("{field} is not read")), "{why}");
        }
        let authority =
            KUBECONFIG.replace("server:", "certificate-authority: /etc/passwd, server:");
        let why = of_text(&authority).unwrap_err();
        assert!(
            why.starts_with("certificate-authority is not read"),
            "{why}"
        );
    }

    #[test]
    fn a_server_without_a_scheme_is_refused() {
        let folder = folder("scheme");
        std::fs::write(folder.join("a"), KUBECONFIG.replace("https://", "")).unwrap();
        std::fs::write(folder.join("b"), KUBECONFIG.replace("https", "ftp")).unwrap();
        let sources = Sources {
            sites: Some(folder.clone()),
            ..Sources::default()
        };
        for (_, _, config) in read(&sources) {
            let why = config.unwrap_err();
            assert!(why.contains("begins with https://"), "{why}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_unknown_context_names_those_that_are_known() {
        let folder = folder("contexts");
        let file = folder.join("config");
        std::fs::write(&file, KUBECONFIG).unwrap();
        let sources = Sources {
            context: vec!["x".into(), "y".into()],
            kubeconfig: Some(file),
            ..Sources::default()
        };
        let found = read(&sources);
        assert!(found[0].2.is_ok());
        let why = found[1].2.as_ref().unwrap_err();
        assert!(why.contains("context y") && why.ends_with("has x"), "{why}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
