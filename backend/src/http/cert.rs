//! Serving certificates: from files that may be replaced while we run, or issued by our own authority.
//!
//! A pair that cannot be read or does not fit together never replaces one that works. Client certificates are asked
//! for without naming authorities (a stale list would make the aggregator send nothing) and only their possession is
//! checked here: their chain is checked per request, with the authorities of that moment.

use super::protocols::Protocols;
use super::tls::Tls;
use crate::notices::Notices;
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
use tracing::info;
use wire::Say;
use x509_parser::extensions::GeneralName;

/// How often certificate files are read again.
const RELOAD: Duration = Duration::from_secs(10);
/// A certificate that ends sooner is a problem: somebody's rotation is stuck.
const EXPIRES_SOON: Duration = Duration::from_secs(7 * 24 * 3600);
/// Notices about a certificate's file.
const UNREADABLE: &str = "SERVING_FILE";
const EXPIRES: &str = "SERVING_EXPIRES";

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

/// A pair of `--tls-sni-cert-key`: certificate and key, and the names it is for; none: those in the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPair {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub names: Vec<String>,
}

/// A serving certificate that can be exchanged under open listeners, and others for names that clients ask for. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Serving {
    current: Arc<Current>,
    files: Option<(PathBuf, PathBuf)>,
    named: Vec<Self>,
}

#[derive(Debug)]
struct Current {
    key: ArcSwap<CertifiedKey>,
    /// Names and `*.` patterns it is for; empty: those in the certificate.
    names: Vec<String>,
}

/// Chooses by the name that a client asks for.
#[derive(Debug)]
struct Chosen {
    default: Arc<Current>,
    named: Vec<Arc<Current>>,
}

impl Serving {
    /// Reads `--tls-cert-file` and `--tls-private-key-file`.
    ///
    /// # Errors
    /// [`CertError`] when either cannot be read or they do not belong together.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, CertError> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| CertError::Read(path.into(), error));
        let pair = certified(&read(certificate)?, &read(key)?)?;
        Ok(Self::new(pair, Some((certificate.into(), key.into())), Vec::new()))
    }

    /// With the pairs of `--tls-sni-cert-key`.
    ///
    /// # Errors
    /// [`CertError`] when one cannot be read or is no pair.
    pub fn with_named(mut self, pairs: &[NamedPair]) -> Result<Self, CertError> {
        for NamedPair { certificate, key, names } in pairs {
            let read = |path: &Path| std::fs::read(path).map_err(|error| CertError::Read(path.into(), error));
            let pair = certified(&read(certificate)?, &read(key)?)?;
            self.named.push(Self::new(pair, Some((certificate.clone(), key.clone())), names.clone()));
        }
        Ok(self)
    }

    /// A pair that was just issued, PEM.
    ///
    /// # Errors
    /// [`CertError`] when the pair is none.
    pub fn issued(certificate: &str, key: &str) -> Result<Self, CertError> {
        Ok(Self::new(certified(certificate.as_bytes(), key.as_bytes())?, None, Vec::new()))
    }

    fn new(pair: CertifiedKey, files: Option<(PathBuf, PathBuf)>, names: Vec<String>) -> Self {
        Self { current: Arc::new(Current { key: ArcSwap::from_pointee(pair), names }), files, named: Vec::new() }
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

    /// Reads the files again whenever they change, until `stop` resolves; without files it only waits. What cannot be read
    /// and what expires soon is a notice.
    pub async fn run(self, notices: Notices, stop: impl Future<Output = ()>) {
        let all = std::iter::once(&self).chain(&self.named).map(|one| one.follow(&notices));
        tokio::select! {
            () = stop => {}
            _ = futures::future::join_all(all) => {}
        }
    }

    async fn follow(&self, notices: &Notices) {
        let Some((certificate, key)) = &self.files else { return std::future::pending().await };
        let mut due = tokio::time::interval(RELOAD);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let file = certificate.display().to_string();
        let mut known = (Vec::new(), Vec::new());
        loop {
            due.tick().await;
            self.expiry(&file, notices);
            let read = (tokio::fs::read(certificate).await, tokio::fs::read(key).await);
            let ended = match read {
                (Ok(certificate), Ok(key)) if (&certificate, &key) == (&known.0, &known.1) => continue,
                (Ok(certificate), Ok(key)) => {
                    known = (certificate, key);
                    certified(&known.0, &known.1)
                }
                (Err(error), _) => Err(CertError::Read(certificate.clone(), error)),
                (_, Err(error)) => Err(CertError::Read(key.clone(), error)),
            };
            match ended {
                Ok(pair) => {
                    if self.current.key.load().cert != pair.cert {
                        info!(certificate = file, "serving certificate replaced");
                    }
                    self.current.key.store(Arc::new(pair));
                    notices.clear_of(UNREADABLE, &file);
                    self.expiry(&file, notices);
                }
                Err(error) => {
                    let cause = format!("{:#}", anyhow::Error::from(error));
                    notices.set(Say::new(UNREADABLE).with("file", file.as_str()).with("cause", cause));
                }
            }
        }
    }

    /// Says that the certificate in service expires soon, or that it is well again.
    fn expiry(&self, file: &str, notices: &Notices) {
        let leaf = self.leaf();
        let leaf = leaf.as_ref().and_then(|leaf| x509_parser::parse_x509_certificate(leaf).ok());
        let Some((_, leaf)) = leaf else { return };
        let left = leaf.validity().not_after.timestamp() - jiff::Timestamp::now().as_second();
        if left >= i64::try_from(EXPIRES_SOON.as_secs()).unwrap_or(i64::MAX) {
            return notices.clear_of(EXPIRES, file);
        }
        let time = jiff::Timestamp::from_second(leaf.validity().not_after.timestamp()).unwrap_or_default();
        notices.set(Say::new(EXPIRES).with("file", file).with("time", time.to_string()));
    }
}

// === impl Current ===

impl Current {
    fn is_for(&self, asked: &str) -> bool {
        let fits = |name: &str| match name.strip_prefix("*.") {
            Some(rest) => asked.split_once('.').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(rest)),
            None => name.eq_ignore_ascii_case(asked),
        };
        if !self.names.is_empty() {
            return self.names.iter().any(|name| fits(name));
        }
        let key = self.key.load();
        let leaf = key.cert.first().and_then(|der| x509_parser::parse_x509_certificate(der).ok());
        let Some((_, leaf)) = leaf else { return false };
        let names = leaf.subject_alternative_name().ok().flatten();
        names.is_some_and(|names| {
            names.value.general_names.iter().any(|name| matches!(name, GeneralName::DNSName(name) if fits(name)))
        })
    }
}

// === impl Chosen ===

impl ResolvesServerCert for Chosen {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name();
        let named = asked.and_then(|asked| self.named.iter().find(|current| current.is_for(asked)));
        Some(named.unwrap_or(&self.default).key.load_full())
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

/// The TLS settings of a listener.
///
/// # Errors
/// [`CertError::Pair`] when the provider lacks a protocol version: a broken build.
pub fn server_config(serving: &Serving, protocols: &Protocols, ask_client_certificate: bool) -> Result<Tls, CertError> {
    let provider = Arc::new(protocols.provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(protocols.versions())?;
    let builder = if ask_client_certificate {
        builder.with_client_cert_verifier(Arc::new(Possession { algorithms }))
    } else {
        builder.with_no_client_auth()
    };
    let named = serving.named.iter().map(|named| Arc::clone(&named.current)).collect();
    let mut config = builder.with_cert_resolver(Arc::new(Chosen { default: Arc::clone(&serving.current), named }));
    config.alpn_protocols = protocols.alpn();
    Ok(Tls { config: Arc::new(config), streams: protocols.streams })
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
        let tls = server_config(&serving, &Protocols::default(), true).unwrap();
        assert_eq!(tls.config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert!(serving.leaf().is_some());
    }

    #[test]
    fn a_pair_is_for_its_names_or_those_it_holds() {
        let pair = rcgen::generate_simple_self_signed(vec!["one.example".into(), "*.two.example".into()]).unwrap();
        let (certificate, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        let current = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            Serving::new(certified(certificate.as_bytes(), key.as_bytes()).unwrap(), None, names).current
        };
        let own = current(&[]);
        for (asked, expected) in [
            ("one.example", true),
            ("ONE.example", true),
            ("a.two.example", true),
            ("a.b.two.example", false),
            ("two.example", false),
        ] {
            assert_eq!(own.is_for(asked), expected, "{asked}");
        }
        let given = current(&["*.three.example"]);
        assert!(given.is_for("a.three.example") && !given.is_for("one.example"));
    }

    /// Files that are exchanged under a running process: what is wrong with them is a notice, and what was good stays.
    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_with_files_is_noticed_until_it_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let put = |days: u64| {
            let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
            params.not_after = (std::time::SystemTime::now() + Duration::from_secs(days * 24 * 3600)).into();
            let pair = rcgen::KeyPair::generate().unwrap();
            std::fs::write(&certificate, params.self_signed(&pair).unwrap().pem()).unwrap();
            std::fs::write(&key, pair.serialize_pem()).unwrap();
        };
        put(30);
        let (serving, notices) = (Serving::from_files(&certificate, &key).unwrap(), Notices::default());
        let task = tokio::spawn(serving.clone().run(notices.clone(), std::future::pending()));
        let mut changes = notices.version();
        let codes = || notices.all().into_iter().map(|(say, _)| say.code).collect::<Vec<_>>();
        put(3);
        changes.changed().await.unwrap();
        assert_eq!(codes(), [EXPIRES]);
        let soon = serving.leaf();
        std::fs::write(&key, "nonsense").unwrap();
        changes.changed().await.unwrap();
        assert_eq!(codes(), [EXPIRES, UNREADABLE]);
        assert_eq!(serving.leaf(), soon, "the old one stays in service");
        put(30);
        while !codes().is_empty() {
            changes.changed().await.unwrap();
        }
        assert_ne!(serving.leaf(), soon);
        task.abort();
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
