//! Which authorities vouch for people and for the front proxy, and which headers the front proxy may use: by flags, else
//! by the ConfigMap `kube-system/extension-apiserver-authentication`.

use super::authn::User;
use super::request::decoded;
use http::{HeaderMap, HeaderValue};
use k8s_openapi::api::core::v1::ConfigMap;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::path::PathBuf;

/// Flags that say whom to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    /// `--authentication-skip-lookup`: the ConfigMap is not read.
    pub skip_lookup: bool,
    /// `--authentication-tolerate-lookup-failure`: being forbidden to read it is no reason to end.
    pub tolerate_lookup_failure: bool,
    /// `--client-ca-file`, instead of the ConfigMap's.
    pub client_ca: Option<PathBuf>,
    /// `--requestheader-client-ca-file`, instead of the ConfigMap's and all it says of the front proxy.
    pub proxy_ca: Option<PathBuf>,
    /// `--requestheader-allowed-names`.
    pub proxy_names: Vec<String>,
    /// `--requestheader-username-headers`.
    pub user_headers: Vec<String>,
    /// `--requestheader-group-headers`.
    pub group_headers: Vec<String>,
    /// `--requestheader-uid-headers`.
    pub uid_headers: Vec<String>,
    /// `--requestheader-extra-headers-prefix`.
    pub extra_prefixes: Vec<String>,
}

/// The files of the flags, as they were read last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    clients: Option<String>,
    proxies: Option<String>,
}

/// Everything there is, read whole or not at all.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) clients: Authorities,
    pub(super) proxies: Authorities,
    pub(super) proxy_names: Vec<String>,
    user_headers: Vec<String>,
    group_headers: Vec<String>,
    uid_headers: Vec<String>,
    extra_prefixes: Vec<String>,
}

/// A bundle of authorities.
#[derive(Debug)]
pub(super) struct Authorities {
    anchors: Vec<TrustAnchor<'static>>,
    /// Of each, for the log.
    pub(super) subjects: Vec<String>,
}

// === impl Trusted ===

impl Trusted {
    /// Whether anything of the ConfigMap is wanted.
    pub(super) fn looks_up(&self) -> bool {
        !self.skip_lookup && (self.client_ca.is_none() || self.proxy_ca.is_none())
    }

    /// Reads the files of the flags.
    pub(super) fn read(&self) -> Result<Files, String> {
        let read = |flag: &str, path: &Option<PathBuf>| {
            let text = path.as_ref().map(|path| {
                std::fs::read_to_string(path).map_err(|error| {
                    format!(
                        "{flag} {}: cannot be read: {error}; give a PEM file of authorities that our user can read",
                        path.display()
                    )
                })
            });
            text.transpose()
        };
        Ok(Files {
            clients: read("--client-ca-file", &self.client_ca)?,
            proxies: read("--requestheader-client-ca-file", &self.proxy_ca)?,
        })
    }
}

// === impl Sources ===

impl Sources {
    /// `map` is the ConfigMap, where one was read.
    pub(super) fn of(flags: &Trusted, files: &Files, map: Option<&ConfigMap>) -> Result<Self, String> {
        let data = map.and_then(|map| map.data.as_ref());
        let text = |key: &str| data.and_then(|data| data.get(key)).map(String::as_str).unwrap_or_default();
        let list = |key: &str| -> Result<Vec<String>, String> {
            let text = text(key).trim();
            if text.is_empty() {
                return Ok(Vec::new());
            }
            serde_json::from_str(text).map_err(|error| format!("{key}: {error}"))
        };
        let bundle = |what: &str, pem: &str| Authorities::of(pem).map_err(|error| format!("{what}: {error}"));
        let clients = match &files.clients {
            Some(pem) => bundle("--client-ca-file", pem)?,
            None => bundle("client-ca-file", text("client-ca-file"))?,
        };
        if let Some(pem) = &files.proxies {
            let given = |names: &[String]| names.iter().filter(|name| !name.is_empty()).cloned().collect();
            return Ok(Self {
                clients,
                proxies: bundle("--requestheader-client-ca-file", pem)?,
                proxy_names: given(&flags.proxy_names),
                user_headers: given(&flags.user_headers),
                group_headers: given(&flags.group_headers),
                uid_headers: given(&flags.uid_headers),
                extra_prefixes: given(&flags.extra_prefixes),
            });
        }
        Ok(Self {
            clients,
            proxies: bundle("requestheader-client-ca-file", text("requestheader-client-ca-file"))?,
            proxy_names: list("requestheader-allowed-names")?,
            user_headers: list("requestheader-username-headers")?,
            group_headers: list("requestheader-group-headers")?,
            uid_headers: list("requestheader-uid-headers")?,
            extra_prefixes: list("requestheader-extra-headers-prefix")?,
        })
    }

    /// The user whom the (verified) front proxy names.
    pub(super) fn told(&self, headers: &HeaderMap) -> Option<User> {
        // Names need not be ASCII; Go takes a header's bytes as they are, and so do the reviews that follow.
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let all = |name: &String| {
            let values = headers.get_all(name.as_str()).into_iter().map(text);
            values.filter(|value| !value.is_empty()).collect::<Vec<_>>()
        };
        let first = |names: &[String]| names.iter().flat_map(all).next();
        let mut user = User { name: first(&self.user_headers)?, ..User::default() };
        user.uid = first(&self.uid_headers).unwrap_or_default();
        user.groups = self.group_headers.iter().flat_map(all).collect();
        for (name, value) in headers {
            let prefix = |prefix: &String| name.as_str().strip_prefix(&*prefix.to_ascii_lowercase());
            if let Some(key) = self.extra_prefixes.iter().find_map(prefix) {
                user.extra.entry(decoded(key, false)).or_default().push(text(value));
            }
        }
        Some(user)
    }
}

// === impl Authorities ===

impl Authorities {
    fn of(pem: &str) -> Result<Self, String> {
        let (mut anchors, mut subjects) = (Vec::new(), Vec::new());
        for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let der = der.map_err(|error| error.to_string())?;
            let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|error| error.to_string())?;
            anchors.push(anchor.to_owned());
            let subject = x509_parser::parse_x509_certificate(&der).map(|(_, parsed)| parsed.subject().to_string());
            subjects.push(subject.unwrap_or_default());
        }
        Ok(Self { anchors, subjects })
    }

    /// Without any, the step of the chain that asks for them is left out.
    pub(super) fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// Whether the chain leads to one of them and the leaf is a client's.
    pub(super) fn vouch_for(&self, chain: &[CertificateDer<'static>]) -> bool {
        let Some((leaf, intermediates)) = chain.split_first() else { return false };
        let Ok(leaf) = webpki::EndEntityCert::try_from(leaf) else { return false };
        let usage = webpki::KeyUsage::client_auth();
        let (algorithms, now) = (webpki::ALL_VERIFICATION_ALGS, UnixTime::now());
        leaf.verify_for_usage(algorithms, &self.anchors, intermediates, now, usage, None, None).is_ok()
    }
}
