//! Certificates of the cluster: its authority, the front proxy's, serving and client certificates.

use crate::Error;
use crate::access::User;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::sync::Arc;

/// A certificate with its key, PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub certificate_pem: String,
    pub key_pem: String,
}

/// The front proxy: the authority that `metrics.k8s.io` servers must trust, and the API server's client certificate.
#[derive(Clone, Debug)]
pub struct FrontProxy {
    pub ca_pem: String,
    /// Common name `front-proxy-client`.
    pub client: Certificate,
}

/// An authority that signs.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// A serving certificate for loopback and these names.
    pub(crate) fn serving(&self, name: &str, names: &[&str]) -> Result<Certificate, Error> {
        let mut all = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        all.extend(names.iter().map(|&name| name.to_owned()));
        let mut params = CertificateParams::new(all)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// A client certificate: the user is the common name, the groups are the organizations.
    pub(crate) fn client(&self, user: &str, groups: &[&str]) -> Result<Certificate, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        for &group in groups {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<Certificate, Error> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Certificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(Error::Pem)
}

fn key(pem: &str) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(Error::Pem)
}

pub(crate) fn roots(pem: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A listener's TLS, and who its clients' certificates say they are.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) config: Arc<rustls::ServerConfig>,
    clients: Arc<dyn ClientCertVerifier>,
}

impl Serving {
    /// The subject of a certificate of the client authority; any other is as good as none.
    pub(crate) fn user(&self, chain: &[CertificateDer<'_>]) -> Option<User> {
        let (leaf, others) = chain.split_first()?;
        self.clients.verify_client_cert(leaf, others, UnixTime::now()).ok()?;
        User::of_certificate(leaf)
    }
}

/// Asks clients for a certificate and takes any whose key they have, as the real servers do: whose it is and whether
/// that counts is a matter of the request, which is answered with 401.
#[derive(Debug)]
struct Lenient(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Lenient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
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
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Serves clients with and without a certificate of `client_ca`.
pub(crate) fn server(own: &Certificate, client_ca: &str, http2: bool) -> Result<Arc<Serving>, Error> {
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(client_ca)?), provider())
        .allow_unauthenticated()
        .build()?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(Lenient(Arc::clone(&clients))))
        .with_single_cert(chain(&own.certificate_pem)?, key(&own.key_pem)?)?;
    if http2 {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(Arc::new(Serving { config: Arc::new(config), clients }))
}

/// Trusts `ca` and shows `own`.
pub(crate) fn client(own: &Certificate, ca: &str) -> Result<Arc<rustls::ClientConfig>, Error> {
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(ca)?)
        .with_client_auth_cert(chain(&own.certificate_pem)?, key(&own.key_pem)?)?;
    Ok(Arc::new(config))
}
