//! What our HTTPS listeners speak: versions and cipher suites of TLS, HTTP/2 or not. From flags of Go's names.

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::{CipherSuite, SupportedProtocolVersion};

/// The suites that we have of TLS 1.2, by Go's names (two of them with a second one).
const SUITES: [(&str, CipherSuite); 8] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
static ONLY_13: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// Settings of listeners. The default is TLS 1.2 and 1.3 with everything the provider has, HTTP/2 and HTTP/1.1.
#[derive(Clone, Debug, Default)]
pub struct Protocols {
    only_13: bool,
    /// Of TLS 1.2; `None`: all.
    suites: Option<Vec<CipherSuite>>,
    no_http2: bool,
    /// Requests in flight on one HTTP/2 connection; 0: the listener's default.
    pub streams: u32,
    /// What the flags ask for and no one gets.
    pub warnings: Vec<String>,
}

// === impl Protocols ===

impl Protocols {
    /// From the values of `--tls-min-version` and `--tls-cipher-suites`.
    ///
    /// # Errors
    /// A sentence that names the flag and what can be given.
    pub fn of(min_version: &str, suites: &[String]) -> Result<Self, String> {
        let mut protocols = Self::default();
        match min_version {
            "" | "VersionTLS12" => {}
            "VersionTLS13" => protocols.only_13 = true,
            old @ ("VersionTLS10" | "VersionTLS11") => {
                protocols.warnings.push(format!("--tls-min-version={old}: nothing below TLS 1.2 is spoken"));
            }
            other => {
                return Err(format!("--tls-min-version {other:?} is unknown: give VersionTLS12 or VersionTLS13"));
            }
        }
        let names: Vec<&String> = suites.iter().filter(|name| !name.is_empty()).collect();
        if !names.is_empty() {
            let mut suites = Vec::new();
            for name in names {
                match SUITES.iter().find(|(known, _)| known == name) {
                    Some((_, suite)) => suites.push(*suite),
                    // Suites of TLS 1.3 can't be chosen, in Go as here.
                    None if name.starts_with("TLS_AES_") || *name == "TLS_CHACHA20_POLY1305_SHA256" => {}
                    // Go knows weaker ones; a list that names them among others must still work.
                    None if name.starts_with("TLS_RSA_WITH_") || name.starts_with("TLS_ECDHE_") => {
                        protocols.warnings.push(format!("--tls-cipher-suites: {name} is too weak and not offered"));
                    }
                    None => {
                        let known: Vec<&str> = SUITES.iter().map(|(name, _)| *name).collect();
                        return Err(format!(
                            "--tls-cipher-suites: {name:?} is unknown; known are {}",
                            known.join(", ")
                        ));
                    }
                }
            }
            protocols.suites = Some(suites);
        }
        Ok(protocols)
    }

    /// With HTTP/2 or without, and its requests in flight on one connection.
    #[must_use]
    pub fn http2(self, on: bool, streams: u32) -> Self {
        Self { no_http2: !on, streams, ..self }
    }

    /// A provider with the suites that were asked for.
    pub(super) fn provider(&self) -> CryptoProvider {
        let mut provider = default_provider();
        if let Some(wanted) = &self.suites {
            provider
                .cipher_suites
                .retain(|suite| suite.version() == &rustls::version::TLS13 || wanted.contains(&suite.suite()));
        }
        provider
    }

    pub(super) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        // Without a suite of TLS 1.2 there is no TLS 1.2, and rustls says so of nobody's choice.
        let no_12 = self.only_13 || self.suites.as_ref().is_some_and(Vec::is_empty);
        if no_12 { &ONLY_13 } else { &BOTH }
    }

    pub(super) fn alpn(&self) -> Vec<Vec<u8>> {
        let all = [b"h2".to_vec(), b"http/1.1".to_vec()];
        all.into_iter().skip(usize::from(self.no_http2)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(min_version: &str, suites: &[&str]) -> Result<Protocols, String> {
        Protocols::of(min_version, &suites.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn suites_and_versions_are_what_was_asked_for() {
        let suite = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
        let protocols = of("", &[suite, "TLS_AES_128_GCM_SHA256"]).unwrap();
        let of_12 =
            protocols.provider().cipher_suites.iter().filter(|one| one.version() == &rustls::version::TLS12).count();
        assert_eq!((of_12, protocols.versions().len()), (1, 2));
        assert_eq!(of("VersionTLS13", &[]).unwrap().versions(), [&rustls::version::TLS13]);
        assert_eq!(Protocols::default().http2(false, 0).alpn(), [b"http/1.1".to_vec()]);
        let weak = of("", &["TLS_RSA_WITH_AES_128_CBC_SHA"]).unwrap();
        assert_eq!((weak.versions().len(), weak.warnings.len()), (1, 1));
        assert!(of("", &["x"]).unwrap_err().contains(suite));
    }
}
