//! `taffrail doctor`: what is wrong with an installation, and what to do. It asks the API server what the product would
//! ask, and kubelets what the scraper would, with the flags of `taffrail serve`; it changes nothing.
//!
//! Run by an administrator, it looks at the account of the installation; run in the pod, at its own.

mod clock;
mod kubelets;
mod registration;
mod report;
mod rights;

use crate::account::{self, Account};
use crate::config;
use serde_json::Value;
use std::io::Write as _;

pub use report::{Finding, Report, Verdict};

/// What every part looks at.
struct Patient<'a> {
    flags: &'a config::Doctor,
    account: Account,
    /// Namespace and name of our Service.
    service: (String, String),
    /// Namespace and name of our account.
    own: (String, String),
}

/// Looks at everything and prints what was found to standard output. True when nothing is broken.
///
/// # Errors
/// When there is no API server to ask, or the output is gone.
pub fn run(flags: &config::Doctor) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(examine(flags))?;
    let text = if flags.json { report.json() } else { report.text() };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(report.is_well())
}

/// Looks at everything.
///
/// # Errors
/// When there is no API server to ask.
pub async fn examine(flags: &config::Doctor) -> anyhow::Result<Report> {
    let serve = &flags.serve;
    let account = account::read("--kubeconfig", serve.kubeconfig.as_deref(), serve.insecure_api_server).await?;
    let mut report = Report::default();
    // When nobody answers, everything else would say the same.
    let Some(who) = clock::api_server(&account, &mut report).await else { return Ok(report) };
    let own = own(flags, &who);
    let namespace = serve.service_namespace.clone().unwrap_or_else(|| own.0.clone());
    let patient = Patient { flags, account, service: (namespace, serve.service_name.clone()), own };
    rights::examine(&patient, &mut report).await;
    registration::examine(&patient, &mut report).await;
    kubelets::examine(&patient, &mut report).await;
    Ok(report)
}

/// Whose rights count: `--service-account`, or whoever runs this if that is one, or the manifests' name.
fn own(flags: &config::Doctor, who: &str) -> (String, String) {
    let running = who.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
    let running = running.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
    flags.service_account.clone().or(running).unwrap_or_else(|| {
        let namespace = flags.serve.service_namespace.clone().unwrap_or_else(|| "taffrail".to_owned());
        (namespace, "taffrail".to_owned())
    })
}

/// Why something was not told.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Refused {
    message: String,
    /// Whoever runs this may not look; that says nothing of the installation.
    forbidden: bool,
}

impl From<kube::Error> for Refused {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self { forbidden: status.code == 403, message: status.message },
            error => Self { forbidden: false, message: error.to_string() },
        }
    }
}

// === impl Patient ===

impl Patient<'_> {
    /// An object or a list, as the API server tells it; `Ok(None)`: there is none.
    async fn get(&self, path: &str) -> Result<Option<Value>, Refused> {
        let request = http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        match self.account.client.request::<Value>(request).await {
            Ok(value) => Ok(Some(value)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn create(&self, path: &str, object: &Value) -> Result<Value, String> {
        let body = serde_json::to_vec(object).map_err(|error| error.to_string())?;
        let request = http::Request::post(path).header(http::header::CONTENT_TYPE, "application/json").body(body);
        let request = request.map_err(|error| error.to_string())?;
        self.account.client.request::<Value>(request).await.map_err(|error| match error {
            kube::Error::Api(status) => status.message,
            error => error.to_string(),
        })
    }
}

/// Text at a JSON pointer; empty when there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The elements at a JSON pointer.
fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
