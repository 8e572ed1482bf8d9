//! Whether a server's certificate is a kubelet's: the chain to the cluster's authority, and either the dialled address
//! or, unless `--kubelet-tls-verify=address`, the node's own identity (CN `system:node:<name>`, O `system:nodes`), which the
//! kubelet-serving signer issues.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct NodeVerifier {
    /// `None`: `--kubelet-insecure-tls`, any certificate will do.
    pub(super) roots: Option<Arc<RootCertStore>>,
    pub(super) node: Arc<str>,
    /// The node's own identity does as well as the dialled address.
    pub(super) by_node: bool,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for NodeVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let parsed = ParsedCertificate::try_from(leaf)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, self.algorithms.all)?;
        match verify_server_name(&parsed, name) {
            Err(_) if self.by_node && is_node(leaf, &self.node) => Ok(ServerCertVerified::assertion()),
            Err(error) => Err(error),
            Ok(()) => Ok(ServerCertVerified::assertion()),
        }
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

fn is_node(leaf: &CertificateDer<'_>, node: &str) -> bool {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(leaf) else { return false };
    let subject = certificate.subject();
    let named = subject
        .iter_common_name()
        .filter_map(|name| name.as_str().ok())
        .any(|name| name.strip_prefix("system:node:") == Some(node));
    named && subject.iter_organization().filter_map(|name| name.as_str().ok()).any(|name| name == "system:nodes")
}
