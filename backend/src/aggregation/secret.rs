//! The authority that replicas share: a Secret of our own namespace, created empty by the manifests.
//!
//! Who finds it empty fills it; of two who do so at once the API server takes one, by the version they read. Only this
//! one Secret is ever asked for, by its name.

use super::authority::{Authority, AuthorityError};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use std::collections::BTreeMap;
use std::time::SystemTime;

const BUNDLE: &str = "ca.crt";
const KEY: &str = "ca.key";
/// A person who sets this annotation, to anything, has a new authority made.
pub const ROTATE: &str = "taffrail.dev/rotate-ca";

/// Why replicas do not share an authority.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    /// Usual where the role or the Secret was not installed.
    #[error("{0}")]
    Refused(String),
    /// The API server is away: worth another attempt soon.
    #[error("{0}")]
    Away(kube::Error),
    /// The Secret holds something else than we write; it is left as it is.
    #[error("what it holds is unusable: {0}")]
    Unusable(AuthorityError),
    #[error(transparent)]
    Make(AuthorityError),
}

/// The shared authority as it should be now, made, rotated or trimmed where it is time.
pub(super) async fn shared(secrets: &Api<Secret>, name: &str, now: SystemTime) -> Result<Authority, SecretError> {
    // Whoever loses the race reads what the winner wrote; to lose it again takes yet another rotation.
    for _ in 0..4 {
        let mut secret = secrets.get(name).await.map_err(refused)?;
        let Some(changed) = due(&secret, now)? else { return read(&secret) };
        let annotations = secret.metadata.annotations.get_or_insert_default();
        annotations.remove(ROTATE);
        let data = secret.data.get_or_insert_default();
        data.insert(BUNDLE.into(), ByteString(changed.bundle().into_bytes()));
        data.insert(KEY.into(), ByteString(changed.key().into_bytes()));
        match secrets.replace(name, &PostParams::default(), &secret).await {
            Ok(_) => return Ok(changed),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(refused(error)),
        }
    }
    Err(SecretError::Refused("it changes faster than it can be written".into()))
}

/// What should be written instead of what is there.
fn due(secret: &Secret, now: SystemTime) -> Result<Option<Authority>, SecretError> {
    let text = |key: &str| texts(secret.data.as_ref(), key);
    if text(BUNDLE).is_empty() && text(KEY).is_empty() {
        return Authority::new(now).map(Some).map_err(SecretError::Make);
    }
    let known = read(secret)?;
    let asked = secret.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(ROTATE));
    if asked || known.is_old(now) {
        return known.rotated(now).map(Some).map_err(SecretError::Make);
    }
    Ok(known.trimmed(now))
}

fn read(secret: &Secret) -> Result<Authority, SecretError> {
    Authority::read(&texts(secret.data.as_ref(), BUNDLE), &texts(secret.data.as_ref(), KEY))
        .map_err(SecretError::Unusable)
}

fn texts(data: Option<&BTreeMap<String, ByteString>>, key: &str) -> String {
    let bytes = data.and_then(|data| data.get(key));
    bytes.map(|bytes| String::from_utf8_lossy(&bytes.0).trim().to_owned()).unwrap_or_default()
}

fn refused(error: kube::Error) -> SecretError {
    match error {
        kube::Error::Api(status) if status.code < 500 && status.code != 429 => SecretError::Refused(status.message),
        error => SecretError::Away(error),
    }
}
