//! From flags to what each part is told.

use crate::account::{self, Account};
use crate::config::{KubeletTlsVerify, ReadyWhen, Serve};
use crate::http::cert::Serving;
use crate::http::protocols::Protocols;
use crate::http::proxies;
use crate::session::login::Login;
use crate::session::{self, Gate, Sessions};
use crate::{aggregation, kubelet, metrics_api};
use anyhow::Context as _;

/// The certificate of files, where there is one.
pub(crate) fn files(flags: &Serve) -> anyhow::Result<Option<Serving>> {
    let of_folder = (flags.serving.cert_dir.join("apiserver.crt"), flags.serving.cert_dir.join("apiserver.key"));
    let (certificate, key, what) = match (&flags.serving.tls_cert_file, &flags.serving.tls_private_key_file) {
        (Some(certificate), Some(key)) => (certificate, key, "--tls-cert-file, --tls-private-key-file"),
        _ if of_folder.0.is_file() && of_folder.1.is_file() => (&of_folder.0, &of_folder.1, "--cert-dir"),
        _ => return Ok(None),
    };
    let serving = Serving::from_files(certificate, key).map_err(|error| {
        let (error, certificate, key) = (anyhow::Error::from(error), certificate.display(), key.display());
        anyhow::anyhow!(
            "{what}: {certificate} and {key}: {error:#}; give PEM files of one pair that our user can read, or none for a certificate by our own authority"
        )
    })?;
    Ok(Some(serving))
}

pub(crate) fn protocols(flags: &Serve) -> anyhow::Result<Protocols> {
    let serving = &flags.serving;
    let protocols = Protocols::of(&serving.tls_min_version, &serving.tls_cipher_suites).map_err(anyhow::Error::msg)?;
    Ok(protocols.http2(!serving.disable_http2_serving, serving.http2_max_streams_per_connection))
}

/// With the pairs for names that clients ask for.
pub(crate) fn named(serving: Serving, flags: &Serve) -> anyhow::Result<Serving> {
    serving
        .with_named(&flags.serving.tls_sni_cert_key)
        .context("--tls-sni-cert-key: give PEM files of one pair that our user can read")
}

/// Who reviews tokens, and who reviews access.
pub(crate) async fn reviewers(flags: &Serve, account: &Account) -> anyhow::Result<(kube::Client, kube::Client)> {
    let of = async |flag: &str, path: &Option<std::path::PathBuf>| match path {
        Some(path) => anyhow::Ok(account::read(flag, Some(path), flags.insecure_api_server).await?.client),
        None => Ok(account.client.clone()),
    };
    Ok((
        of("--authentication-kubeconfig", &flags.delegated.authentication_kubeconfig).await?,
        of("--authorization-kubeconfig", &flags.delegated.authorization_kubeconfig).await?,
    ))
}

pub(crate) fn metrics_api(flags: &Serve) -> anyhow::Result<metrics_api::Config> {
    let (delegated, serving) = (&flags.delegated, &flags.serving);
    let given = |list: &[String]| list.iter().filter(|one| !one.is_empty()).cloned().collect::<Vec<_>>();
    Ok(metrics_api::Config {
        resolution: flags.metric_resolution,
        node_selector: kubelet(flags)?.node_selector,
        always_allow_paths: given(&delegated.authorization_always_allow_paths),
        token_cache: delegated.authentication_token_webhook_cache_ttl,
        allowed_cache: delegated.authorization_webhook_cache_authorized_ttl,
        denied_cache: delegated.authorization_webhook_cache_unauthorized_ttl,
        trusted: metrics_api::Trusted {
            skip_lookup: delegated.authentication_skip_lookup,
            tolerate_lookup_failure: delegated.authentication_tolerate_lookup_failure,
            client_ca: delegated.client_ca_file.clone(),
            proxy_ca: delegated.requestheader_client_ca_file.clone(),
            proxy_names: delegated.requestheader_allowed_names.clone(),
            user_headers: delegated.requestheader_username_headers.clone(),
            group_headers: delegated.requestheader_group_headers.clone(),
            uid_headers: delegated.requestheader_uid_headers.clone(),
            extra_prefixes: delegated.requestheader_extra_headers_prefix.clone(),
        },
        transport_security: given(&serving.strict_transport_security_directives).join("; "),
        max_requests_inflight: serving.max_requests_inflight,
        request_timeout: serving.request_timeout,
        ready_when_serving: flags.ready_when == ReadyWhen::Serving,
        serve_swap: flags.serve_swap,
    })
}

pub(crate) fn aggregation(flags: &Serve, account: &Account) -> aggregation::Config {
    let own = account.config.default_namespace.clone();
    let service = (flags.service_namespace.clone().unwrap_or(own), flags.service_name.clone());
    let names = aggregation::names(&service, flags.bind_address, &flags.pod_ips, &account.config.cluster_url);
    let (secret, manage) = (flags.serving_ca_secret.clone(), flags.manage_apiservices);
    aggregation::Config { secret, service, manage, names }
}

pub(crate) fn kubelet(flags: &Serve) -> anyhow::Result<kubelet::Config> {
    Ok(kubelet::Config {
        resolution: flags.metric_resolution,
        request_timeout: flags.kubelet_request_timeout,
        address_types: flags.kubelet_preferred_address_types.clone(),
        use_node_status_port: flags.kubelet_use_node_status_port,
        port: flags.kubelet_port,
        insecure_tls: flags.kubelet_insecure_tls,
        verify: match flags.kubelet_tls_verify {
            KubeletTlsVerify::Address => kubelet::Verify::Address,
            KubeletTlsVerify::AddressOrNode => kubelet::Verify::AddressOrNode,
            KubeletTlsVerify::Pin => kubelet::Verify::Pin,
        },
        certificate_authority: flags.kubelet_certificate_authority.clone(),
        client_certificate: flags.kubelet_client_certificate.clone(),
        client_key: flags.kubelet_client_key.clone(),
        completely_insecure: flags.deprecated_kubelet_completely_insecure,
        max_body_bytes: flags.kubelet_max_body_bytes,
        drop_after_failed: flags.drop_after_failed_scrapes,
        node_selector: kubelet::LabelSelector::parse(&flags.node_selector).context("--node-selector")?,
    })
}

pub(crate) fn proxies(flags: &Serve) -> proxies::Proxies {
    proxies::Proxies(flags.trusted_proxies.clone())
}

pub(crate) fn sessions(flags: &Serve, account: &Account, gate: &Gate) -> anyhow::Result<Sessions> {
    let login = Login::new(account.config.clone(), account.client.clone(), flags.login_client_certificates);
    let config = session::sessions::Config {
        cookie: session::cookie::Name::new(&[&account.config.cluster_url.to_string()]),
        limits: session::sessions::Limits::default(),
        insecure: flags.insecure_login,
    };
    Sessions::new(config, login, gate.clone()).context("making the sessions' client")
}

pub(crate) fn place(flags: &Serve, account: &Account) -> wire::session::Place {
    let server = account.config.cluster_url.to_string();
    wire::session::Place {
        cluster: flags
            .cluster_name
            .clone()
            .unwrap_or_else(|| account.config.cluster_url.host().unwrap_or("kubernetes").to_owned()),
        kubernetes: String::new(),
        taffrail: env!("CARGO_PKG_VERSION").to_owned(),
        certificates: flags.login_client_certificates,
        insecure: flags.insecure_login,
        server,
        now: 0,
    }
}
