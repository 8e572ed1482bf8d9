//! Whom the secure port believes and whom it asks: flags of Kubernetes' delegated authentication and authorization, by
//! their names and defaults.

use super::values::duration;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Authentication and authorization on the secure port.
#[derive(Clone, Debug, Args)]
pub struct Delegated {
    /// Kubeconfig of the account that reviews tokens; without it ours
    #[arg(long)]
    pub authentication_kubeconfig: Option<PathBuf>,
    /// Do not read kube-system/extension-apiserver-authentication
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true)]
    pub authentication_skip_lookup: bool,
    /// How long a review of a token is remembered
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub authentication_token_webhook_cache_ttl: Duration,
    /// Start even if that ConfigMap may not be read
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", require_equals = true)]
    pub authentication_tolerate_lookup_failure: bool,
    /// CA of client certificates; without it the ConfigMap's
    #[arg(long)]
    pub client_ca_file: Option<PathBuf>,
    /// CA of the front proxy; without it the ConfigMap's, and its headers and names
    #[arg(long)]
    pub requestheader_client_ca_file: Option<PathBuf>,
    /// Names a front proxy may have; without any, all that its CA vouches for
    #[arg(long, value_delimiter = ',')]
    pub requestheader_allowed_names: Vec<String>,
    /// Headers in which the front proxy names users
    #[arg(long, value_delimiter = ',', default_value = "x-remote-user")]
    pub requestheader_username_headers: Vec<String>,
    /// Headers in which it names their groups
    #[arg(long, value_delimiter = ',', default_value = "x-remote-group")]
    pub requestheader_group_headers: Vec<String>,
    /// Prefixes of the headers in which it tells more of them
    #[arg(long, value_delimiter = ',', default_value = "x-remote-extra-")]
    pub requestheader_extra_headers_prefix: Vec<String>,
    /// Headers in which it tells their uid
    #[arg(long, value_delimiter = ',')]
    pub requestheader_uid_headers: Vec<String>,
    /// Kubeconfig of the account that reviews access; without it ours
    #[arg(long)]
    pub authorization_kubeconfig: Option<PathBuf>,
    /// Paths of the secure port that are open to everybody; a * at the end stands for anything
    #[arg(long, value_delimiter = ',', default_value = "/healthz,/readyz,/livez")]
    pub authorization_always_allow_paths: Vec<String>,
    /// How long a permission is remembered
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub authorization_webhook_cache_authorized_ttl: Duration,
    /// How long a refusal is remembered
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub authorization_webhook_cache_unauthorized_ttl: Duration,
}
