//! Our own account: from `--kubeconfig`, or the service account of the pod we run in. What kubelets are shown of it.

use crate::http::cert::pem;
use crate::kubelet::{KubeletCredentials, TokenSource};
use anyhow::Context as _;
use base64::Engine as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::{Path, PathBuf};
use tracing::warn;

/// Where a pod finds the cluster's authority.
const SERVICE_ACCOUNT_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// Client and configuration of our own account.
#[derive(Clone)]
pub struct Account {
    pub config: kube::Config,
    pub client: kube::Client,
    pub kubelet: KubeletCredentials,
}

impl std::fmt::Debug for Account {
    /// Never prints a credential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({})", self.config.cluster_url)
    }
}

/// `flag` is whose file it is; `insecure` leaves the API server's certificate unverified.
///
/// # Errors
/// When there is neither a kubeconfig nor a service account, or the file makes no sense.
pub async fn read(flag: &str, kubeconfig: Option<&Path>, insecure: bool) -> anyhow::Result<Account> {
    // A person's shell has the variable; in a pod the account is the pod's, whatever the environment says.
    let outside = std::env::var_os("KUBERNETES_SERVICE_HOST").is_none();
    let of_shell = std::env::var_os("KUBECONFIG").filter(|path| outside && !path.is_empty()).map(PathBuf::from);
    let kubeconfig = kubeconfig.map(Path::to_owned).or(of_shell);
    let mut config = match &kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).with_context(|| format!("{flag}: reading {}", path.display()))?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("{flag}: {}", path.display()))?
        }
        None => kube::Config::incluster().context(
            "not in a pod (no service account found): give --kubeconfig, or try `taffrail demo` for a simulated cluster",
        )?,
    };
    if insecure {
        warn!(
            "the API server's certificate is not verified, as an old --source asks for; give a kubeconfig with its authority"
        );
        config.accept_invalid_certs = true;
    }
    // Watches are long and quiet: the loop that reads them has its own idea of silence.
    config.read_timeout = None;
    // The watches answer 429 themselves, with what Retry-After says.
    config.default_retry = false;
    let mut kubelet = credentials(&config)?;
    let [authority, ..] = &mut kubelet.files;
    *authority = match &kubeconfig {
        Some(path) => authority_of(path),
        None => Some(SERVICE_ACCOUNT_CA.into()),
    };
    let client = kube::Client::try_from(config.clone()).context("making a client of the kubeconfig")?;
    Ok(Account { config, client, kubelet })
}

/// The file that a kubeconfig's current context names as its cluster's authority.
fn authority_of(kubeconfig: &Path) -> Option<PathBuf> {
    let file = Kubeconfig::read_from(kubeconfig).ok()?;
    let context = file.contexts.iter().find(|context| Some(&context.name) == file.current_context.as_ref())?;
    let cluster = &context.context.as_ref()?.cluster;
    let cluster = file.clusters.iter().find(|known| known.name == *cluster)?.cluster.as_ref()?;
    // What is inline changes with the kubeconfig alone.
    let inline = cluster.certificate_authority_data.is_some();
    cluster.certificate_authority.as_ref().filter(|_| !inline).map(PathBuf::from)
}

fn credentials(config: &kube::Config) -> anyhow::Result<KubeletCredentials> {
    use kube::config::AuthInfo;
    use secrecy::ExposeSecret as _;
    let AuthInfo {
        token, token_file, client_certificate, client_certificate_data, client_key, client_key_data, ..
    } = &config.auth_info;
    let decode = |data: &str| {
        base64::engine::general_purpose::STANDARD
            .decode(data.trim())
            .context("a certificate in the kubeconfig is not base64")
    };
    let file = |path: &str| std::fs::read(path).with_context(|| format!("reading {path}"));
    let read = |data: Option<&str>, path: Option<&str>| match (data, path) {
        (Some(data), _) => decode(data).map(Some),
        (None, Some(path)) => file(path).map(Some),
        (None, None) => Ok(None),
    };
    Ok(KubeletCredentials {
        token: match (token_file, token) {
            (Some(path), _) => TokenSource::File(path.into()),
            (None, Some(token)) => TokenSource::Static(token.expose_secret().to_owned()),
            (None, None) => TokenSource::None,
        },
        ca_pem: config.root_cert.as_ref().map(|chain| chain.iter().flat_map(|der| pem(der).into_bytes()).collect()),
        client_cert_pem: read(client_certificate_data.as_deref(), client_certificate.as_deref())?,
        client_key_pem: read(client_key_data.as_ref().map(|data| data.expose_secret()), client_key.as_deref())?,
        files: [
            None,
            client_certificate.as_ref().filter(|_| client_certificate_data.is_none()).map(PathBuf::from),
            client_key.as_ref().filter(|_| client_key_data.is_none()).map(PathBuf::from),
        ],
    })
}
