//! What is refused of flags taken together: all of it, before a port is bound or a thread is started.

use super::Serve;
use crate::http::protocols::Protocols;
use crate::kubelet::selector::LabelSelector;
use std::time::Duration;

/// What is wrong with the flags taken together; all of it, not the first thing only.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

impl Serve {
    /// Everything that can be refused is refused here, before a port is bound or a thread is started.
    ///
    /// # Errors
    /// All violations, each naming its flags and the remedy.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut wrong = Vec::new();
        let mut refuse = |bad: bool, sentence: &str| {
            if bad {
                wrong.push(sentence.to_owned());
            }
        };
        refuse(
            self.metric_resolution < Duration::from_secs(10),
            "--metric-resolution is below 10s: kubelets have nothing new that soon, use 10s or more",
        );
        refuse(self.kubelet_request_timeout.is_zero(), "--kubelet-request-timeout must be above 0");
        refuse(
            self.metric_resolution.saturating_mul(9) / 10 < self.kubelet_request_timeout,
            "--kubelet-request-timeout is longer than 9/10 of --metric-resolution: a slow kubelet would overlap its next scrape, lower the one or raise the other",
        );
        refuse(
            self.secure_port == 0 && self.ui_port == 0 && self.ui_http_port == 0,
            "--secure-port, --ui-port and --ui-http-port are all 0: nothing would be served",
        );
        refuse(!self.base_path.is_empty() && !self.base_path.starts_with('/'), "--base-path must begin with a slash");
        self.check_kubelets(&mut refuse);
        self.check_serving(&mut refuse);
        if wrong.is_empty() { Ok(()) } else { Err(ConfigError(wrong)) }
    }

    fn check_kubelets(&self, refuse: &mut impl FnMut(bool, &str)) {
        refuse(
            self.kubelet_certificate_authority.is_some() && self.kubelet_insecure_tls,
            "--kubelet-certificate-authority and --kubelet-insecure-tls exclude each other, drop one",
        );
        refuse(
            self.kubelet_client_certificate.is_some() != self.kubelet_client_key.is_some(),
            "--kubelet-client-certificate and --kubelet-client-key belong together, give both or none",
        );
        let credentials = self.kubelet_certificate_authority.is_some()
            || self.kubelet_client_certificate.is_some()
            || self.kubelet_client_key.is_some()
            || self.kubelet_insecure_tls;
        refuse(
            self.deprecated_kubelet_completely_insecure && credentials,
            "--deprecated-kubelet-completely-insecure is plain HTTP without credentials: it excludes --kubelet-certificate-authority, --kubelet-client-certificate, --kubelet-client-key and --kubelet-insecure-tls, drop it or them",
        );
        if let Err(error) = LabelSelector::parse(&self.node_selector) {
            refuse(
                true,
                &format!("--node-selector {:?}: {error}; give a label selector such as a=b,c!=d", self.node_selector),
            );
        }
    }

    fn check_serving(&self, refuse: &mut impl FnMut(bool, &str)) {
        refuse(
            self.serving.tls_cert_file.is_some() != self.serving.tls_private_key_file.is_some(),
            "--tls-cert-file and --tls-private-key-file belong together, give both or none",
        );
        if let Err(error) = Protocols::of(&self.serving.tls_min_version, &self.serving.tls_cipher_suites) {
            refuse(true, &error);
        }
        refuse(self.serving.max_requests_inflight == 0, "--max-requests-inflight is 0: nothing would be answered");
        refuse(self.serving.request_timeout.is_zero(), "--request-timeout must be above 0");
        for directive in self.serving.strict_transport_security_directives.iter().filter(|one| !one.is_empty()) {
            let known = matches!(directive.as_str(), "includeSubDomains" | "preload")
                || directive.strip_prefix("max-age=").is_some_and(|age| age.parse::<u64>().is_ok());
            refuse(
                !known,
                &format!(
                    "--strict-transport-security-directives: {directive:?} is none of max-age=SECONDS, includeSubDomains, preload"
                ),
            );
        }
        for path in &self.delegated.authorization_always_allow_paths {
            let inner = path.strip_suffix('*').unwrap_or(path);
            refuse(
                inner.contains('*'),
                &format!("--authorization-always-allow-paths: {path:?} has a * that is not at its end"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Command, Flags};
    use clap::Parser as _;

    #[track_caller]
    fn refused(arguments: &[&str], words: &[&str]) {
        let flags = Flags::try_parse_from(["taffrail", "serve"].iter().chain(arguments)).unwrap();
        let Command::Serve(serve) = flags.command else { panic!("serve was asked for") };
        let error = serve.check().unwrap_err();
        assert_eq!(error.0.len(), words.len(), "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{error} does not name {word}");
        }
    }

    #[test]
    fn every_violation_is_reported() {
        refused(&["--metric-resolution=9s", "--kubelet-request-timeout=9s"], &["below 10s", "9/10"]);
        refused(&["--kubelet-client-key=a", "--base-path=x"], &["belong together", "slash"]);
        refused(&["--kubelet-insecure-tls", "--kubelet-certificate-authority=ca"], &["exclude each other"]);
        refused(&["--secure-port=0", "--ui-port=0"], &["nothing would be served"]);
        for other in ["--kubelet-insecure-tls", "--kubelet-certificate-authority=a"] {
            refused(&["--deprecated-kubelet-completely-insecure", other], &["plain HTTP"]);
        }
        refused(
            &["--tls-cert-file=a", "--tls-min-version=VersionTLS9", "--node-selector=a b", "--request-timeout=0s"],
            &["belong together", "VersionTLS9", "--node-selector", "--request-timeout"],
        );
        refused(&["--tls-cipher-suites=NONSENSE"], &["NONSENSE"]);
        refused(&["--authorization-always-allow-paths=/a*b"], &["not at its end"]);
        refused(&["--strict-transport-security-directives=max-age=x"], &["max-age=SECONDS"]);
    }

    #[test]
    fn ten_seconds_with_a_nine_second_timeout_is_accepted() {
        let flags =
            Flags::try_parse_from(["taffrail", "serve", "--metric-resolution=10s", "--kubelet-request-timeout", "9s"]);
        let Command::Serve(serve) = flags.unwrap().command else { panic!("serve was asked for") };
        assert!(serve.check().is_ok());
    }

    #[test]
    fn an_unknown_flag_proposes_the_nearest() {
        let error = Flags::try_parse_from(["taffrail", "serve", "--metric-resolutoin=15s"]).unwrap_err().to_string();
        assert!(error.contains("--metric-resolution"), "{error}");
    }
}
