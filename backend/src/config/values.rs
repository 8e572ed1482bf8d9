//! Values of flags as Go spells them.

use crate::cluster::quantity;
use crate::http::cert::NamedPair;
use std::time::Duration;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LoggingFormat {
    Text,
    Json,
}

/// What a kubelet's certificate must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum KubeletTlsVerify {
    /// The dialled name or address.
    Address,
    /// That, or `system:node:NAME` of `system:nodes`, as the kubelet-serving signer issues it.
    AddressOrNode,
    /// The key that the node's first certificate had, or that its annotation names.
    Pin,
}

/// When `/metrics/cadvisor` is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ScrapeCadvisor {
    /// While something needs it.
    Auto,
    Always,
    Never,
}

/// When `/readyz` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ReadyWhen {
    /// There are metrics to serve.
    Metrics,
    /// Nodes and pods are known.
    Serving,
}

/// A duration as Go's flags spell it: `15s`, `1m0s`, `1.5h`, `300ms`. One below zero is zero: what refuses the one refuses
/// the other, with its reason.
///
/// # Errors
/// A sentence for clap that names what was given.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 15s, 1m30s or 1.5h");
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = 0.0;
    let mut rest = unsigned;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(end);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len()));
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(wrong()),
        };
        total += number.parse::<f64>().map_err(|_| wrong())? * scale;
        rest = tail;
    }
    let total = Duration::try_from_secs_f64(total).map_err(|_| wrong())?;
    Ok(if negative { Duration::ZERO } else { total })
}

/// A size such as `32Mi` or `33554432`.
///
/// # Errors
/// A sentence for clap that names what was given.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || format!("{text:?} is not a size such as 32Mi or 33554432");
    let value = quantity::whole(text).ok_or_else(wrong)?;
    usize::try_from(value).ok().filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// `NAMESPACE/NAME`.
///
/// # Errors
/// A sentence for clap that names what was given.
pub(super) fn account(text: &str) -> Result<(String, String), String> {
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
            Ok(((*namespace).to_owned(), (*name).to_owned()))
        }
        _ => Err(format!("{text:?} is not NAMESPACE/NAME, such as taffrail/taffrail")),
    }
}

/// `certificate,key` or `certificate,key:name,*.name`.
///
/// # Errors
/// A sentence for clap that names what was given.
pub(super) fn named_pair(text: &str) -> Result<NamedPair, String> {
    let (files, names) = text.split_once(':').unwrap_or((text, ""));
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect();
    match files.split(',').map(str::trim).collect::<Vec<_>>().as_slice() {
        [certificate, key] if !certificate.is_empty() && !key.is_empty() => {
            Ok(NamedPair { certificate: certificate.into(), key: key.into(), names })
        }
        _ => Err(format!("{text:?} is not certificate,key or certificate,key:name,*.name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn durations_are_gos() {
        for (text, millis) in [
            ("15s", 15_000),
            ("1m0s", 60_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("0", 0),
            ("+15s", 15_000),
            ("-1s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "15", "s", "15x", "1..5s", "-", "--1s", "-1"] {
            assert!(duration(text).is_err(), "{text:?} is no duration");
        }
    }

    #[test]
    fn sizes_are_quantities() {
        assert_eq!(bytes("32Mi"), Ok(32 << 20));
        assert_eq!(bytes("1000"), Ok(1000));
        for text in ["", "x", "-1", "0"] {
            assert!(bytes(text).is_err(), "{text:?} is no size");
        }
    }

    #[test]
    fn an_account_has_a_namespace() {
        assert_eq!(account("a/b"), Ok(("a".to_owned(), "b".to_owned())));
        for text in ["", "a", "/b", "a/", "a/b/c"] {
            assert!(account(text).is_err(), "{text:?} is no account");
        }
    }

    #[test]
    fn a_pair_may_have_names() {
        let pair = named_pair("a.crt,a.key:foo.example,*.Bar.example").unwrap();
        assert_eq!(pair.names, ["foo.example", "*.bar.example"]);
        assert_eq!(named_pair("a.crt,a.key").unwrap().key, PathBuf::from("a.key"));
        for text in ["", "a", "a,b,c", ",b"] {
            assert!(named_pair(text).is_err(), "{text:?} is no pair");
        }
    }
}
