//! Whether a server's certificate is a kubelet's, by `--kubelet-tls-verify`: the chain to the cluster's authority, and
//! either the dialled address or, unless `address` alone is wanted, the node's own identity (CN `system:node:<name>`, O
//! `system:nodes`), which the kubelet-serving signer issues. Or, with `pin`, the key that the node is known by: the one that
//! its annotation names, else the one it showed first.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct NodeVerifier {
    pub(super) judge: Judge,
    pub(super) node: Arc<str>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// By what a certificate is judged.
#[derive(Clone, Debug)]
pub(super) enum Judge {
    /// `--kubelet-insecure-tls`: any certificate will do.
    Nobody,
    Chain {
        authorities: Arc<Authorities>,
        /// The node's own identity does as well as the dialled address.
        by_node: bool,
    },
    /// The key that the node is known by; `None`: whatever it shows, which is remembered.
    Pin(Option<Key>),
}

/// Whom we trust, and their certificates themselves: one that is trusted as such needs no issuer.
#[derive(Debug)]
pub(super) struct Authorities {
    pub(super) roots: RootCertStore,
    pub(super) certificates: HashSet<Vec<u8>>,
}

/// SHA-256 of a public key, as `openssl pkey -pubin -outform der | sha256sum` prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key([u8; 32]);

/// The node shows another key than the one it is known by.
#[derive(Clone, Copy, Debug)]
pub(super) struct PinChanged {
    pub(super) known: Key,
    pub(super) shown: Key,
}

// === impl Key ===

impl Key {
    /// Of a certificate.
    pub(super) fn of(leaf: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
        Some(Self(Sha256::digest(certificate.public_key().raw).into()))
    }

    /// From `sha256:HEX`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let hex = text.trim().strip_prefix("sha256:").filter(|hex| hex.len() == 64)?;
        let mut key = [0; 32];
        for (byte, digits) in key.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(key))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PinChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kubelet shows the key {}, the node is known by {}", self.shown, self.known)
    }
}

impl std::error::Error for PinChanged {}

// === impl NodeVerifier ===

impl ServerCertVerifier for NodeVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.judge {
            Judge::Nobody => {}
            Judge::Pin(known) => {
                let shown = Key::of(leaf).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
                if let Some(known) = known.filter(|known| *known != shown) {
                    let changed = OtherError(Arc::new(PinChanged { known, shown }));
                    return Err(Error::InvalidCertificate(CertificateError::Other(changed)));
                }
            }
            Judge::Chain { authorities, by_node } => {
                if authorities.certificates.contains(leaf.as_ref()) {
                    in_time(leaf, now)?;
                } else {
                    let (parsed, roots) = (ParsedCertificate::try_from(leaf)?, &authorities.roots);
                    let all = self.algorithms.all;
                    verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, all)?;
                }
                let named = ParsedCertificate::try_from(leaf).and_then(|parsed| verify_server_name(&parsed, name));
                match named {
                    Err(_) if *by_node && is_node(leaf, &self.node) => {}
                    other => other?,
                }
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, leaf, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, leaf, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A trusted certificate is judged by nobody but the calendar.
fn in_time(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let parsed = x509_parser::parse_x509_certificate(leaf);
    let (_, certificate) = parsed.map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let (now, validity) = (i64::try_from(now.as_secs()).unwrap_or(i64::MAX), certificate.validity());
    if now < validity.not_before.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now > validity.not_after.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(())
}

fn is_node(leaf: &CertificateDer<'_>, node: &str) -> bool {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(leaf) else { return false };
    let subject = certificate.subject();
    let named = subject
        .iter_common_name()
        .filter_map(|name| name.as_str().ok())
        .any(|name| name.strip_prefix("system:node:") == Some(node));
    named && subject.iter_organization().filter_map(|name| name.as_str().ok()).any(|name| name == "system:nodes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_as_it_is_read() {
        let text = format!("sha256:{}", "0aff".repeat(16));
        assert_eq!(Key::parse(&text).unwrap().to_string(), text);
        for wrong in ["", "sha256:", "0aff", "sha256:zz", &text[..70]] {
            assert!(Key::parse(wrong).is_none(), "{wrong}");
        }
    }
}
