//! Serving certificates: from files that may be replaced while we run, or issued by our own authority.
//!
//! A pair that cannot be read or does not fit together never replaces one that works. Client certificates are asked
//! for without naming authorities (a stale list would make the aggregator send nothing) and only their possession is
//! checked here: their chain is checked per request, with the authorities of that moment.

use arc_swap::ArcSwap;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::ring::default_provider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// How often certificate files are read again.
const RELOAD: Duration = Duration::from_secs(30);

/// Why there is no serving certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// The file does not exist or may not be read by our user.
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] std::io::Error),
    /// The text holds no certificate, no private key, or not in PEM.
    #[error("no usable PEM in the certificate or the key: {0}")]
    Pem(String),
    /// Key and certificate are of two pairs, or of a kind that TLS cannot use.
    #[error("certificate and key do not fit: {0}")]
    Pair(#[from] rustls::Error),
    /// Our own authority cannot issue one for the names it should have.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] crate::aggregation::AuthorityError),
}

/// A serving certificate that can be exchanged under open listeners. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Serving {
    current: Arc<Current>,
    files: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug)]
struct Current {
    key: ArcSwap<CertifiedKey>,
}

impl Serving {
    /// Reads `--tls-cert-file` and `--tls-private-key-file`.
    ///
    /// # Errors
    /// [`CertError`] when either cannot be read or they do not belong together.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, CertError> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| CertError::Read(path.into(), error));
        let pair = certified(&read(certificate)?, &read(key)?)?;
        Ok(Self::new(pair, Some((certificate.into(), key.into()))))
    }

    /// A pair that was just issued, PEM.
    ///
    /// # Errors
    /// [`CertError`] when the pair is none.
    pub fn issued(certificate: &str, key: &str) -> Result<Self, CertError> {
        Ok(Self::new(certified(certificate.as_bytes(), key.as_bytes())?, None))
    }

    fn new(pair: CertifiedKey, files: Option<(PathBuf, PathBuf)>) -> Self {
        Self { current: Arc::new(Current { key: ArcSwap::from_pointee(pair) }), files }
    }

    /// Exchanges the pair under open listeners: connections that are open keep theirs.
    ///
    /// # Errors
    /// [`CertError`] when the pair is none; the old one stays.
    pub fn replace(&self, certificate: &str, key: &str) -> Result<(), CertError> {
        self.current.key.store(Arc::new(certified(certificate.as_bytes(), key.as_bytes())?));
        Ok(())
    }

    /// The leaf that is served now.
    #[must_use]
    pub fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.current.key.load().cert.first().map(|der| der.clone().into_owned())
    }

    /// Reads the files again whenever they change, until `stop` resolves; without files it only waits.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let Some((certificate, key)) = &self.files else { return stop.await };
        let mut due = tokio::time::interval(RELOAD);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut known = (Vec::new(), Vec::new());
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = due.tick() => {}
            }
            let now = match (tokio::fs::read(certificate).await, tokio::fs::read(key).await) {
                (Ok(certificate), Ok(key)) => (certificate, key),
                (Err(error), _) | (_, Err(error)) => {
                    warn!(certificate = %certificate.display(), %error, "serving certificate cannot be read; the old one stays");
                    continue;
                }
            };
            if now == known {
                continue;
            }
            match certified(&now.0, &now.1) {
                Ok(pair) => {
                    if self.current.key.load().cert != pair.cert {
                        info!(certificate = %certificate.display(), "serving certificate replaced");
                    }
                    self.current.key.store(Arc::new(pair));
                }
                Err(error) => {
                    warn!(certificate = %certificate.display(), %error, "new serving certificate is unusable; the old one stays");
                }
            }
            known = now;
        }
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.load_full())
    }
}

fn certified(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, CertError> {
    let pem = |error: rustls_pki_types::pem::Error| CertError::Pem(error.to_string());
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>().map_err(pem)?;
    if chain.is_empty() {
        return Err(CertError::Pem("no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(pem)?;
    Ok(CertifiedKey::from_der(chain, key, &default_provider())?)
}

/// The TLS settings of a listener: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
///
/// # Errors
/// [`CertError::Pair`] when the provider lacks a protocol version: a broken build.
pub fn server_config(serving: &Serving, ask_client_certificate: bool) -> Result<Arc<ServerConfig>, CertError> {
    let provider = Arc::new(default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if ask_client_certificate {
        builder.with_client_cert_verifier(Arc::new(Possession { algorithms }))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(Arc::clone(&serving.current) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Offers, does not demand, hints no subjects, checks the proof of possession only.
#[derive(Debug)]
struct Possession {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Possession {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A DER certificate as PEM.
#[must_use]
pub fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issued_pair_serves_both_protocols() {
        let now = std::time::SystemTime::now();
        let authority = crate::aggregation::Authority::new(now).unwrap();
        let leaf = authority.issue(&["localhost".into(), "127.0.0.1".into()], now).unwrap();
        let serving = Serving::issued(&leaf.certificate, &leaf.key).unwrap();
        let config = server_config(&serving, true).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert!(serving.leaf().is_some());
    }

    #[test]
    fn key_and_certificate_of_two_pairs_are_refused() {
        let pair = || rcgen::generate_simple_self_signed(vec!["a".into()]).unwrap();
        let (one, two) = (pair(), pair());
        let (certificate, key) = (one.cert.pem(), two.signing_key.serialize_pem());
        assert!(matches!(certified(certificate.as_bytes(), key.as_bytes()), Err(CertError::Pair(_))));
        assert!(matches!(certified(b"", key.as_bytes()), Err(CertError::Pem(_))));
    }
}
