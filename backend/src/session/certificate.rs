//! Looks at a client certificate and its key before they are used, so that a refusal says what is wrong with them.

use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use wire::Millis;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Why a certificate can't be used for sign-in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("not a PEM certificate")]
    NotPem,
    #[error("not a PEM private key")]
    NoKey,
    #[error("key is encrypted")]
    Encrypted,
    #[error("type not supported")]
    Type,
    #[error("key does not match")]
    Mismatch,
    #[error("expired on {0}")]
    Expired(String),
    #[error("not yet valid")]
    NotYet,
    /// Extended key usage without client authentication.
    #[error("wrong purpose")]
    Purpose,
}

/// What a good certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub expires: Millis,
}

/// Checks PEM, match, validity at `now` and purpose.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(certificate: &str, key: &str, now: Millis) -> Result<Facts, CertificateError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::NotPem)?;
    let leaf = chain.first().cloned().ok_or(CertificateError::NotPem)?;
    if key.contains("ENCRYPTED") {
        return Err(CertificateError::Encrypted);
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| CertificateError::NoKey)?;
    let signer = any_supported_type(&key).map_err(|_| CertificateError::Type)?;
    CertifiedKey::new(chain, signer).keys_match().map_err(|_| CertificateError::Mismatch)?;
    let (_, parsed) = X509Certificate::from_der(&leaf).map_err(|_| CertificateError::NotPem)?;
    let expires = parsed.validity().not_after.timestamp().saturating_mul(1000);
    if expires <= now {
        let day = jiff::Timestamp::from_millisecond(expires).map(|time| time.to_string()).unwrap_or_default();
        return Err(CertificateError::Expired(day));
    }
    if parsed.validity().not_before.timestamp().saturating_mul(1000) > now {
        return Err(CertificateError::NotYet);
    }
    let purpose = parsed.extended_key_usage().map_err(|_| CertificateError::NotPem)?;
    if purpose.is_some_and(|usage| !usage.value.any && !usage.value.client_auth) {
        return Err(CertificateError::Purpose);
    }
    Ok(Facts { expires })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};

    const NOW: Millis = 1_800_000_000_000;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        change(&mut params);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn a_good_one_passes_with_its_end() {
        let (certificate, key) = made(|_| ());
        assert_eq!(check(&certificate, &key, NOW), Ok(Facts { expires: 2_208_988_800_000 }));
    }

    #[test]
    fn each_fault_has_its_name() {
        let (certificate, key) = made(|_| ());
        let (_, other) = made(|_| ());
        let (old, old_key) = made(|params| params.not_after = rcgen::date_time_ymd(2021, 1, 1));
        let (young, young_key) = made(|params| params.not_before = rcgen::date_time_ymd(2039, 1, 1));
        let (server, server_key) =
            made(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
        let sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (certificate, key, error) in [
            ("", key.as_str(), CertificateError::NotPem),
            (certificate.as_str(), "", CertificateError::NoKey),
            (certificate.as_str(), sealed, CertificateError::Encrypted),
            (certificate.as_str(), other.as_str(), CertificateError::Mismatch),
            (old.as_str(), old_key.as_str(), CertificateError::Expired("2021-01-01T00:00:00Z".into())),
            (young.as_str(), young_key.as_str(), CertificateError::NotYet),
            (server.as_str(), server_key.as_str(), CertificateError::Purpose),
        ] {
            assert_eq!(check(certificate, key, NOW), Err(error));
        }
    }
}
