//! Why a kubelet gave no usable page, and what a person can do about it.

use super::verify::PinChanged;
use std::io;
use std::time::Duration;
use wire::Say;

/// Why a scrape failed. The code of each is a reason of `metrics-api.md` 4.5.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The node lists none of the preferred address types; usual for a minute while it joins.
    #[error("the node has no address of the preferred types")]
    NoAddress,
    #[error("the annotation metrics.k8s.io/resource-metrics-path does not begin with a slash")]
    BadPath,
    #[error("the name cannot be resolved: {0}")]
    Dns(io::Error),
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// Nothing of an answer had arrived.
    #[error("the connection broke: {0}")]
    Reset(String),
    #[error("no complete page within {:.1} s", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("our certificate authority or client certificate is unusable: {0}")]
    Credentials(String),
    /// 401, 403 and every other status but 200, with the kubelet's text.
    #[error("the kubelet answered {0}: {1}")]
    Status(u16, String),
    /// The limit keeps a confused kubelet from filling our memory.
    #[error("the page is larger than {0} bytes or compressed beyond reason")]
    TooLarge(usize),
    /// Half a page looks like a node that lost its pods, so it is thrown away.
    #[error("the page is unusable: {0}")]
    BadBody(String),
    #[error("the kubelet says that it could not collect its samples")]
    ScrapeError,
    /// A fault of ours; what it was is in the log.
    #[error("the scraper failed at this kubelet")]
    Panicked,
}

impl Failure {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NoAddress => "NoAddress",
            Self::BadPath => "BadPathAnnotation",
            Self::Dns(_) => "DNSFailed",
            Self::Connect(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "ConnectionRefused",
                io::ErrorKind::ConnectionReset => "ConnectionReset",
                _ => "Unreachable",
            },
            Self::Reset(_) => "ConnectionReset",
            Self::Timeout(_) => "Timeout",
            Self::Tls(error) => tls_code(error),
            Self::Credentials(_) => "TLSOther",
            Self::Status(401, _) => "Unauthorized",
            Self::Status(403, _) => "Forbidden",
            Self::Status(..) => "HTTPStatus",
            Self::TooLarge(_) => "BodyTooLarge",
            Self::BadBody(_) | Self::Panicked => "BadBody",
            Self::ScrapeError => "KubeletScrapeError",
        }
    }

    fn remedy(&self) -> &'static str {
        match self.code() {
            "NoAddress" => "wait until the node reports its addresses, or extend --kubelet-preferred-address-types",
            "BadPathAnnotation" => "correct or remove the annotation",
            "DNSFailed" => "put InternalIP first in --kubelet-preferred-address-types",
            "ConnectionRefused" => {
                "see whether the kubelet runs and listens on this port (--kubelet-use-node-status-port)"
            }
            "ConnectionReset" => "see the kubelet's log; a proxy or firewall may cut the connection",
            "Unreachable" => "open the kubelet's port from this pod's network to the node",
            "Timeout" => "see the node's load and the network, or raise --kubelet-request-timeout",
            "TLSUnknownAuthority" => {
                "set serverTLSBootstrap: true on the kubelet and approve its kubernetes.io/kubelet-serving request, or \
                 pass --kubelet-certificate-authority"
            }
            "TLSNameMismatch" => {
                "let the kubelet-serving signer issue the certificate, or prefer an address type that is in it"
            }
            "TLSPinChanged" => "confirm the key if the node was set up anew",
            "TLSExpired" => "see the kubelet's certificate rotation (rotateCertificates) and the clocks",
            "TLSOther" => "see the kubelet's certificate and our --kubelet-… files",
            "Unauthorized" => "enable authentication.webhook on the kubelet; see our service account's token",
            "Forbidden" => "grant our role get on nodes/metrics",
            "HTTPStatus" => "see the kubelet's log",
            "BodyTooLarge" => "see what the kubelet serves, or raise --kubelet-max-body-bytes",
            "BadBody" => "see what answers on the kubelet's port",
            _ => "see the kubelet's log and the container runtime",
        }
    }

    /// Worth another address of the node: this one does not lead to it.
    pub(super) fn is_of_address(&self) -> bool {
        match self {
            Self::Dns(_) | Self::Connect(_) => true,
            Self::Tls(error) => tls_code(error) == "TLSNameMismatch",
            _ => false,
        }
    }

    /// Failed before any byte of an answer, by a broken connection and not by time: worth one more attempt.
    pub(super) fn is_retried(&self) -> bool {
        match self {
            Self::Connect(error) => error.kind() != io::ErrorKind::TimedOut,
            Self::Reset(_) => true,
            _ => false,
        }
    }

    /// For people: node, address, cause and remedy.
    pub(super) fn say(&self, node: &str, address: &str) -> Say {
        let remedy = match self.pin_changed() {
            // Who may write the Node may say which key is its kubelet's; nobody else, and not we.
            Some(changed) => format!(
                "if the node was set up anew: kubectl annotate --overwrite node {node} taffrail.dev/kubelet-key={}",
                changed.shown
            ),
            None => self.remedy().to_owned(),
        };
        let say = Say::new(self.code())
            .with("node", node)
            .with("address", address)
            .with("cause", self.to_string())
            .with("remedy", remedy);
        match self {
            Self::Status(status, message) => say.with("status", status.to_string()).with("message", message.as_str()),
            _ => say,
        }
    }

    fn pin_changed(&self) -> Option<&PinChanged> {
        let Self::Tls(error) = self else { return None };
        other(error)?.downcast_ref()
    }
}

/// What no code of rustls stands for.
fn other(error: &io::Error) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
    use rustls::{CertificateError, Error};
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(CertificateError::Other(other))) => Some(&*other.0),
        _ => None,
    }
}

fn tls_code(error: &io::Error) -> &'static str {
    use rustls::{CertificateError as C, Error};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(problem)) => match problem {
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => "TLSExpired",
            C::NotValidForName | C::NotValidForNameContext { .. } => "TLSNameMismatch",
            // A self-signed leaf is no authority to webpki, and its signature is by no known one.
            C::UnknownIssuer | C::BadSignature => "TLSUnknownAuthority",
            C::Other(other) if other.0.is::<PinChanged>() => "TLSPinChanged",
            // `openssl req -x509` makes an authority of everything: signed by itself, and by nobody we know.
            C::Other(other) if matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) => {
                "TLSUnknownAuthority"
            }
            _ => "TLSOther",
        },
        _ => "TLSOther",
    }
}
