//! What we prove ourselves with, and what proves kubelets: read at start, and again where it may have changed.

use super::client::Kubelets;
use crate::kubelet::config::{Config, KubeletCredentials, TokenSource};
use crate::kubelet::failure::Failure;
use crate::kubelet::verify::Authorities;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;

/// A token's file is read again after this.
const TOKEN_AGE: Duration = Duration::from_secs(60);

/// Credentials as last read; a new one means new connections.
#[derive(Debug)]
pub(super) struct Material {
    /// `None`: plain HTTP or unverified.
    pub(super) authorities: Option<Arc<Authorities>>,
    pub(super) identity: Option<Arc<SingleCertAndKey>>,
    /// One for the connections to all nodes.
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) token: Option<http::HeaderValue>,
    /// The bytes it was made of.
    source: [Option<Vec<u8>>; 3],
    pub(super) generation: u64,
}

impl Kubelets {
    /// Reads tokens and certificates again where they may have changed; what cannot be read stays as it was.
    pub(in crate::kubelet) async fn refresh(&self) {
        let old = self.current.load_full();
        let config = &self.config;
        let paths = files(config, &self.credentials);
        let mut source = old.source.clone();
        for (path, slot) in paths.iter().zip(&mut source) {
            let Some(path) = path else { continue };
            match tokio::fs::read(path).await {
                Ok(bytes) => *slot = Some(bytes),
                Err(error) => warn!(path = %path.display(), %error, "cannot read again; the old one stays"),
            }
        }
        let mut token = None;
        let due = self.token_read.lock().is_none_or(|read| read.elapsed() >= TOKEN_AGE);
        if let (TokenSource::File(path), true) = (&self.credentials.token, due) {
            match tokio::fs::read_to_string(path).await {
                Ok(text) => token = Some(text),
                Err(error) => warn!(path = %path.display(), %error, "cannot read the token again; the old one stays"),
            }
            *self.token_read.lock() = Some(Instant::now());
        }
        let changed = source != old.source;
        if !changed && token.is_none() {
            return;
        }
        let generation = old.generation + u64::from(changed);
        match Material::new(config, &self.credentials, source, token.as_deref(), generation) {
            Ok(mut material) => {
                if token.is_none() {
                    material.token.clone_from(&old.token);
                }
                self.current.store(Arc::new(material));
            }
            Err(error) => warn!(%error, "new kubelet credentials are unusable; the old ones stay"),
        }
    }
}

// === impl Material ===

impl Material {
    pub(super) fn new(
        config: &Config,
        credentials: &KubeletCredentials,
        source: [Option<Vec<u8>>; 3],
        token: Option<&str>,
        generation: u64,
    ) -> Result<Self, Failure> {
        let [authority, certificate, key] = &source;
        let pem = |error: rustls_pki_types::pem::Error| Failure::Credentials(error.to_string());
        let flagged = config.certificate_authority.is_some();
        let verified = !config.completely_insecure && (!config.insecure_tls || flagged);
        let authorities = if verified {
            let mut authorities = Authorities { roots: RootCertStore::empty(), certificates: HashSet::new() };
            if let Some(bytes) = authority.as_ref().or(credentials.ca_pem.as_ref()) {
                for der in CertificateDer::pem_slice_iter(bytes) {
                    let der = der.map_err(pem)?;
                    authorities.certificates.insert(der.to_vec());
                    authorities.roots.add(der).map_err(|error| Failure::Credentials(error.to_string()))?;
                }
            }
            Some(Arc::new(authorities))
        } else {
            None
        };
        let certificate = certificate.as_ref().or(credentials.client_cert_pem.as_ref());
        let key = key.as_ref().or(credentials.client_key_pem.as_ref());
        let provider = default_provider();
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) if !config.completely_insecure => {
                let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>().map_err(pem)?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(pem)?;
                let pair = CertifiedKey::from_der(chain, key, &provider)
                    .map_err(|error| Failure::Credentials(error.to_string()))?;
                Some(Arc::new(SingleCertAndKey::from(pair)))
            }
            _ => None,
        };
        let token = token.map(str::trim).filter(|token| !token.is_empty());
        let token = token
            .map(|token| {
                let mut value = http::HeaderValue::from_str(&format!("Bearer {token}"))
                    .map_err(|_| Failure::Credentials("the token is not a header's text".into()))?;
                value.set_sensitive(true);
                Ok(value)
            })
            .transpose()?;
        Ok(Self { authorities, identity, provider: Arc::new(provider), token, source, generation })
    }
}

/// Authority, client certificate and key: the flags' files, else those of our account.
pub(super) fn files(config: &Config, credentials: &KubeletCredentials) -> [Option<PathBuf>; 3] {
    let [authority, certificate, key] = credentials.files.clone();
    let authority = config.certificate_authority.clone().or(authority);
    // A certificate of the flags with the key of the account would be no pair.
    match (&config.client_certificate, &config.client_key) {
        (None, None) => [authority, certificate, key],
        (certificate, key) => [authority, certificate.clone(), key.clone()],
    }
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::Credentials(format!("cannot read {}: {error}", path.display()))
}
