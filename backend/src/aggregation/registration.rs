//! Our two APIServices: that the API server verifies us with our own authority.
//!
//! Only an object that names our Service is changed, and only in `caBundle` and `insecureSkipTLSVerify`, together: the
//! API server refuses one with the other. Somebody else's metrics API is reported and left alone.

use super::authority::{Authority, completed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

pub(super) const NAMES: [&str; 2] = ["v1.metrics.k8s.io", "v1beta1.metrics.k8s.io"];

/// What became of one APIService.
#[derive(Debug)]
pub(super) enum Registered {
    /// It names our Service and trusts us; patched just now or not.
    Ours { patched: bool },
    /// There is none: nothing was installed, or one version only.
    Absent,
    /// It names another Service, `namespace/name`, or is served by the API server itself (empty).
    Others(String),
}

/// Why an APIService could not be looked at or put right.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegisterError {
    /// 403 and the like: it stays so until somebody changes our role.
    #[error("{0}")]
    Refused(String),
    /// Worth another attempt soon.
    #[error(transparent)]
    Away(kube::Error),
}

/// Looks at one APIService and puts it right.
///
/// The version to watch from, and what became of it.
pub(super) async fn register(
    services: &Api<APIService>,
    name: &str,
    (namespace, service): (&str, &str),
    authority: &Authority,
    shared: bool,
) -> Result<(String, Registered), RegisterError> {
    let Some(found) = services.get_opt(name).await.map_err(refused)? else {
        return Ok((String::new(), Registered::Absent));
    };
    let version = found.metadata.resource_version.unwrap_or_default();
    let spec = found.spec.unwrap_or_default();
    let named = spec
        .service
        .as_ref()
        .map(|named| (named.namespace.as_deref().unwrap_or_default(), named.name.as_deref().unwrap_or_default()));
    if named != Some((namespace, service)) {
        let others = named.map(|(namespace, name)| format!("{namespace}/{name}")).unwrap_or_default();
        return Ok((version, Registered::Others(others)));
    }
    let bundle = spec.ca_bundle.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned()).unwrap_or_default();
    let Some(wanted) = completed(&bundle, authority, shared) else {
        return Ok((version, Registered::Ours { patched: false }));
    };
    let patch = json!({"spec": {"caBundle": STANDARD.encode(wanted), "insecureSkipTLSVerify": false}});
    let patched = services.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map_err(refused)?;
    Ok((patched.metadata.resource_version.unwrap_or_default(), Registered::Ours { patched: true }))
}

fn refused(error: kube::Error) -> RegisterError {
    match error {
        kube::Error::Api(status) if status.code < 500 && status.code != 429 && status.code != 409 => {
            RegisterError::Refused(status.message)
        }
        error => RegisterError::Away(error),
    }
}
