//! Our own certificate authority: what the API server is told to trust, and what issues the certificate we serve.
//!
//! Pure but for the random numbers of keys: time is an argument. A bundle has its newest authority first; the older ones
//! in it issued leaves that may still be served. Only the newest one's key is kept.

use crate::http::cert::pem;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData as _,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: Duration = Duration::from_secs(86_400);
/// How long an authority is valid; a new one is made after two thirds of it.
const LIFE: Duration = Duration::from_secs(3650 * 86_400);
const ROTATE: Duration = Duration::from_secs(3650 * 86_400 * 2 / 3);
/// How long a leaf is valid, and the age at which it is exchanged.
pub(super) const LEAF: Duration = Duration::from_secs(30 * 86_400);
pub(super) const RENEW: Duration = Duration::from_secs(20 * 86_400);
/// Until every API server trusts a new authority, leaves stay those of the old one.
pub(super) const SPREAD: Duration = Duration::from_secs(300);
/// Certificates are valid from a little before they were made: clocks differ.
const SKEW: Duration = Duration::from_secs(3600);
/// Begins the common name; the moment of its making, in Unix seconds, follows.
const NAME: &str = "taffrail-serving-ca-";

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Text that was changed by hand, or is somebody else's.
    #[error("ca.crt holds no certificate authority of ours: {0}")]
    Bundle(String),
    /// The key belongs to none or to an older authority.
    #[error("ca.key does not belong to the first certificate of ca.crt")]
    Key,
    /// A name that no certificate can carry.
    #[error(transparent)]
    Make(#[from] rcgen::Error),
}

/// Authorities, newest first, and the key of the newest.
pub struct Authority {
    members: Vec<Member>,
    key: KeyPair,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    der: CertificateDer<'static>,
    made: SystemTime,
}

/// A certificate to serve, with its key; PEM.
#[expect(missing_debug_implementations, reason = "a private key is never printed")]
pub struct Leaf {
    pub certificate: String,
    pub key: String,
}

// === impl Authority ===

impl std::fmt::Debug for Authority {
    /// Never prints the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let made: Vec<u64> = self.members.iter().map(|member| unix(member.made)).collect();
        f.debug_struct("Authority").field("made", &made).finish_non_exhaustive()
    }
}

impl Authority {
    /// A new one, alone in its bundle.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(now: SystemTime) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("{NAME}{}", unix(now)));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.not_before = (now - SKEW).into();
        params.not_after = (now + LIFE).into();
        let certificate = params.self_signed(&key)?;
        Ok(Self { members: vec![Member { der: certificate.der().clone(), made: from_unix(unix(now)) }], key })
    }

    /// What [`bundle`](Self::bundle) and [`key`](Self::key) gave.
    ///
    /// # Errors
    /// [`AuthorityError`] when the text is not that.
    pub fn read(bundle: &str, key: &str) -> Result<Self, AuthorityError> {
        let members = members(bundle).map_err(AuthorityError::Bundle)?;
        let Some(newest) = members.first() else { return Err(AuthorityError::Bundle("it is empty".into())) };
        let key = KeyPair::from_pem(key).map_err(|_| AuthorityError::Key)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&newest.der)
            .map_err(|error| AuthorityError::Bundle(error.to_string()))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(AuthorityError::Key);
        }
        Ok(Self { members, key })
    }

    /// All authorities, PEM: what `caBundle` must hold.
    #[must_use]
    pub fn bundle(&self) -> String {
        self.members.iter().map(|member| pem(&member.der)).collect()
    }

    /// The newest one's private key, PEM.
    #[must_use]
    pub fn key(&self) -> String {
        self.key.serialize_pem()
    }

    /// When the newest one was made.
    pub(super) fn made(&self) -> SystemTime {
        self.members.first().map_or(UNIX_EPOCH, |member| member.made)
    }

    /// The certificate of the newest; of one without any, nothing.
    pub(super) fn newest(&self) -> CertificateDer<'static> {
        self.members.first().map_or_else(|| Vec::new().into(), |member| member.der.clone())
    }

    pub(super) fn has(&self, der: &CertificateDer<'_>) -> bool {
        self.members.iter().any(|member| member.der == *der)
    }

    /// Whether it is time for a new one.
    pub(super) fn is_old(&self, now: SystemTime) -> bool {
        now >= self.made() + ROTATE
    }

    /// A new one in front of those that are.
    pub(super) fn rotated(&self, now: SystemTime) -> Result<Self, AuthorityError> {
        let mut new = Self::new(now)?;
        new.members.extend(self.members.iter().cloned());
        Ok(new)
    }

    /// Without authorities whose last leaf has expired; `None` when there are none.
    pub(super) fn trimmed(&self, now: SystemTime) -> Option<Self> {
        // An authority issues until its successor has spread.
        let needed = |at: usize| match at.checked_sub(1).and_then(|newer| self.members.get(newer)) {
            Some(newer) => now < newer.made + SPREAD + LEAF + DAY,
            None => true,
        };
        let kept: Vec<Member> =
            self.members.iter().enumerate().filter(|(at, _)| needed(*at)).map(|(_, member)| member.clone()).collect();
        if kept.len() == self.members.len() {
            return None;
        }
        let key = KeyPair::from_pem(&self.key.serialize_pem()).ok()?;
        Some(Self { members: kept, key })
    }

    /// A certificate for names and addresses, by the newest authority.
    ///
    /// # Errors
    /// [`AuthorityError::Make`] when a name is no DNS name or address.
    pub fn issue(&self, names: &[String], now: SystemTime) -> Result<Leaf, AuthorityError> {
        let Some(newest) = self.members.first() else { return Err(AuthorityError::Bundle("it is empty".into())) };
        let issuer = Issuer::from_ca_cert_der(&newest.der, &self.key)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name.push(DnType::CommonName, "taffrail");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = (now - SKEW).into();
        params.not_after = (now + LEAF).into();
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Leaf { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// `found` with what it lacks of `own`: what `caBundle` should be; `None` when it is right.
///
/// Certificates that are not ours stay as they are. Of ours, `shared` drops those that the shared bundle has no more;
/// authorities that live in memory cannot know of each other and only make room, oldest first.
pub(super) fn completed(found: &str, own: &Authority, shared: bool) -> Option<String> {
    /// More replicas than anybody runs without the Secret.
    const UNSHARED: usize = 4;
    let theirs = members(found).unwrap_or_default();
    let has = |all: &[Member], one: &Member| all.iter().any(|known| known.der == one.der);
    let complete = own.members.iter().all(|member| has(&theirs, member));
    let outdated = shared && theirs.iter().any(|member| !has(&own.members, member));
    if complete && !outdated {
        return None;
    }
    let mut bundle = own.members.clone();
    if !shared {
        let mut others: Vec<Member> = theirs.into_iter().filter(|member| !has(&own.members, member)).collect();
        others.sort_by_key(|member| std::cmp::Reverse(member.made));
        bundle.extend(others.into_iter().take(UNSHARED));
    }
    let mut text: String = foreign(found).iter().map(|der| pem(der)).collect();
    text.extend(bundle.iter().map(|member| pem(&member.der)));
    Some(text)
}

/// The authorities of ours in a bundle, in order.
fn members(bundle: &str) -> Result<Vec<Member>, String> {
    let mut members = Vec::new();
    for der in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        let der = der.map_err(|error| error.to_string())?;
        if let Some(made) = made(&der) {
            members.push(Member { der, made });
        }
    }
    Ok(members)
}

/// What is in a bundle and not ours.
fn foreign(bundle: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(bundle.as_bytes()).flatten().filter(|der| made(der).is_none()).collect()
}

/// When an authority of ours was made; `None` for other certificates.
fn made(der: &[u8]) -> Option<SystemTime> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    let name = parsed.subject().iter_common_name().find_map(|name| name.as_str().ok())?;
    Some(from_unix(name.strip_prefix(NAME)?.parse().ok()?))
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn from_unix(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        from_unix(1_800_000_000)
    }

    #[test]
    fn what_was_written_is_read_again() {
        let authority = Authority::new(now()).unwrap();
        let again = Authority::read(&authority.bundle(), &authority.key()).unwrap();
        assert_eq!((again.members, again.key.serialize_pem()), (authority.members, authority.key.serialize_pem()));
    }

    #[test]
    fn a_rotation_keeps_the_old_one_until_its_leaves_have_expired() {
        let old = Authority::new(now()).unwrap();
        assert!(!old.is_old(now() + ROTATE - DAY));
        assert!(old.is_old(now() + ROTATE));
        let later = now() + ROTATE;
        let both = old.rotated(later).unwrap();
        assert_eq!(both.members.len(), 2);
        assert_eq!(both.members[1], old.members[0]);
        assert_eq!(both.made(), later);
        assert!(both.trimmed(later + LEAF).is_none());
        let trimmed = both.trimmed(later + LEAF + 2 * DAY).unwrap();
        assert_eq!(trimmed.members, [both.members[0].clone()]);
        assert!(Authority::read(&trimmed.bundle(), &trimmed.key()).is_ok());
    }

    #[test]
    fn a_key_of_another_authority_is_refused() {
        let (one, other) = (Authority::new(now()).unwrap(), Authority::new(now()).unwrap());
        assert!(matches!(Authority::read(&one.bundle(), &other.key()), Err(AuthorityError::Key)));
        assert!(matches!(Authority::read(&one.bundle(), "nonsense"), Err(AuthorityError::Key)));
        assert!(matches!(Authority::read("nonsense", &one.key()), Err(AuthorityError::Bundle(_))));
    }

    #[test]
    fn leaves_verify_for_the_services_name_and_no_other() {
        let authority = Authority::new(SystemTime::now()).unwrap();
        let names = ["taffrail.monitoring.svc".to_owned(), "10.0.0.7".to_owned()];
        let leaf = authority.issue(&names, SystemTime::now()).unwrap();
        let leaf = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap();
        let leaf = webpki::EndEntityCert::try_from(&leaf).unwrap();
        let anchors = [webpki::anchor_from_trusted_cert(&authority.members[0].der).unwrap()];
        let (algorithms, time) = (webpki::ALL_VERIFICATION_ALGS, rustls_pki_types::UnixTime::now());
        let usage = webpki::KeyUsage::server_auth();
        leaf.verify_for_usage(algorithms, &anchors, &[], time, usage, None, None).unwrap();
        for (name, good) in [("taffrail.monitoring.svc", true), ("10.0.0.7", true), ("taffrail.other.svc", false)] {
            let name = rustls_pki_types::ServerName::try_from(name).unwrap();
            assert_eq!(leaf.verify_is_valid_for_subject_name(&name).is_ok(), good, "{name:?}");
        }
    }

    #[test]
    fn a_bundle_is_completed_and_what_is_not_ours_stays() {
        let (old, now) = (Authority::new(now()).unwrap(), now() + DAY);
        let new = old.rotated(now).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["corporate".into()]).unwrap().cert.pem();
        assert_eq!(completed(&new.bundle(), &new, true), None);
        assert_eq!(completed(&format!("{other}{}", new.bundle()), &new, true), None);
        let completed_bundle = completed(&format!("{other}{}", old.bundle()), &new, true).unwrap();
        assert_eq!(foreign(&completed_bundle).len(), 1);
        assert_eq!(members(&completed_bundle).unwrap(), new.members);
        // Old authorities go when the shared bundle has let them go, and not while each replica has its own.
        let alone = Authority::new(now + DAY).unwrap();
        assert_eq!(members(&completed(&new.bundle(), &alone, true).unwrap()).unwrap(), alone.members);
        assert_eq!(members(&completed(&new.bundle(), &alone, false).unwrap()).unwrap().len(), 3);
        assert_eq!(completed("", &new, true), Some(new.bundle()));
        assert_eq!(completed("not PEM", &new, true), Some(new.bundle()));
    }
}
