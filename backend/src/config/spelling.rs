//! Arguments as people have them in their manifests, made into arguments as clap reads them: Go's spellings, flags that
//! have no effect here, flags of older generations of metrics-server.

use super::Flags;
use clap::CommandFactory as _;
use std::collections::HashSet;
use std::ffi::OsString;

/// What was given, ready to be parsed, and what to warn of once there is a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spelled {
    pub arguments: Vec<OsString>,
    pub warnings: Vec<String>,
}

/// Flags of metrics-server's libraries that are accepted without effect; a `*` at the end stands for anything.
const WITHOUT_EFFECT: [&str; 34] = [
    "audit-*",
    "max-mutating-requests-inflight",
    "min-request-timeout",
    "enable-priority-and-fairness",
    "goaway-chance",
    "cors-allowed-origins",
    "advertise-address",
    "external-hostname",
    "feature-gates",
    "emulated-version",
    "emulation-forward-compatible",
    "runtime-config-emulation-forward-compatible",
    "min-compatibility-version",
    "livez-grace-period",
    "shutdown-send-retry-after",
    "shutdown-watch-termination-grace-period",
    "storage-initialization-timeout",
    "permit-port-sharing",
    "permit-address-sharing",
    "tls-curve-preferences",
    "profiling",
    "contention-profiling",
    "debug-socket-path",
    "vmodule",
    "log-flush-frequency",
    "log-json-*",
    "log-text-*",
    "logtostderr",
    "stderrthreshold",
    "alsologtostderr",
    "log-dir",
    "sink",
    "heapster-port",
    "listen-ip",
];
/// The same, of metrics-server 0.1 and 0.2 alone; spelled as they were.
const OLD: [&str; 3] = ["max-procs", "label-seperator", "disable-export"];
/// Of both, those that are switches: what follows them is not their value.
const SWITCHES: [&str; 18] = [
    "audit-log-compress",
    "audit-log-truncate-enabled",
    "audit-webhook-truncate-enabled",
    "audit-log-batch-throttle-enable",
    "audit-webhook-batch-throttle-enable",
    "enable-priority-and-fairness",
    "emulation-forward-compatible",
    "runtime-config-emulation-forward-compatible",
    "shutdown-send-retry-after",
    "permit-port-sharing",
    "permit-address-sharing",
    "profiling",
    "contention-profiling",
    "log-json-split-stream",
    "log-text-split-stream",
    "logtostderr",
    "alsologtostderr",
    "disable-export",
];

/// Flags whose empty value is their default, which is none: Go's flags have no other way to say so.
const EMPTY_IS_NONE: [&str; 12] = [
    "kubeconfig",
    "authentication-kubeconfig",
    "authorization-kubeconfig",
    "kubelet-certificate-authority",
    "kubelet-client-certificate",
    "kubelet-client-key",
    "tls-cert-file",
    "tls-private-key-file",
    "client-ca-file",
    "requestheader-client-ca-file",
    "cluster-name",
    "service-namespace",
];

/// Arguments for clap. Flags without a subcommand are `serve`'s.
///
/// # Errors
/// What can't be taken over, with the remedy.
pub fn spelled(given: impl IntoIterator<Item = OsString>) -> Result<Spelled, String> {
    let mut given = given.into_iter();
    let mut spelled = Spelled { arguments: given.next().into_iter().collect(), warnings: Vec::new() };
    let mut rest = given.peekable();
    match rest.peek().map(|first| first.to_string_lossy().into_owned()) {
        Some(first) if first.starts_with('-') => {
            if !["-h", "--help", "-V", "--version"].contains(&&*first) {
                spelled.arguments.push("serve".into());
            }
        }
        Some(first) if first == "serve" || first == "doctor" => spelled.arguments.extend(rest.next()),
        // Other commands have flags of their own, and nobody's old argument list has them.
        _ => {
            spelled.arguments.extend(rest);
            return Ok(spelled);
        }
    }
    let switches = switches();
    while let Some(argument) = rest.next() {
        let Some((name, value)) = argument.to_str().and_then(flag) else {
            spelled.arguments.push(argument);
            continue;
        };
        if name.is_empty() {
            // `--`: flags end here.
            spelled.arguments.push(argument);
            spelled.arguments.extend(rest);
            break;
        }
        let value = value.map(str::to_owned);
        let mut valued = || match &value {
            Some(value) => Some(value.clone()),
            None => rest.next().map(|next| next.to_string_lossy().into_owned()),
        };
        if name == "source" {
            source(&valued().unwrap_or_default(), &mut spelled)?;
        } else if is_without_effect(&name) {
            if !SWITCHES.contains(&&*name) {
                let _ = valued();
            }
            spelled.warnings.push(format!("--{name} is accepted and has no effect"));
        } else if EMPTY_IS_NONE.contains(&&*name) {
            // An empty value in either spelling is none.
            match valued() {
                Some(value) if value.is_empty() => {}
                Some(value) => spelled.arguments.push(format!("--{name}={value}").into()),
                None => spelled.arguments.push(format!("--{name}").into()),
            }
        } else {
            let value = value.as_deref().map(|value| if switches.contains(&name) { boolean(value) } else { value });
            spelled.arguments.push(match value {
                Some(value) => format!("--{name}={value}").into(),
                None => format!("--{name}").into(),
            });
        }
    }
    Ok(spelled)
}

/// Name with dashes and value of a long flag.
fn flag(argument: &str) -> Option<(String, Option<&str>)> {
    let text = argument.strip_prefix("--")?;
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    Some((name.replace('_', "-"), value))
}

fn is_without_effect(name: &str) -> bool {
    WITHOUT_EFFECT.iter().chain(&OLD).any(|known| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *known,
    })
}

/// Our own flags that are switches.
fn switches() -> HashSet<String> {
    let command = Flags::command();
    let serve = command.find_subcommand("serve").into_iter().flat_map(clap::Command::get_arguments);
    let is_switch = |argument: &&clap::Arg| argument.get_num_args().is_some_and(|values| values.min_values() == 0);
    serve.filter(is_switch).filter_map(clap::Arg::get_long).map(str::to_owned).collect()
}

/// Go's other spellings of booleans. What is none of them stays.
fn boolean(value: &str) -> &str {
    match value {
        "1" | "t" | "T" | "TRUE" | "True" => "true",
        "0" | "f" | "F" | "FALSE" | "False" => "false",
        other => other,
    }
}

/// Heapster's `--source=PREFIX:URL?options`. What the URL does not say keeps our default: its own defaults (plain HTTP,
/// port 10255) are taken over by nobody.
fn source(value: &str, spelled: &mut Spelled) -> Result<(), String> {
    let (prefix, url) = value.split_once(':').unwrap_or((value, ""));
    if !matches!(prefix, "kubernetes" | "kubernetes.summary_api") {
        return Err(format!(
            "--source={value}: only kubernetes and kubernetes.summary_api are known; leave it out, nodes are found by the API server"
        ));
    }
    let url = url.trim_matches('\'');
    let (address, options) = url.split_once('?').unwrap_or((url, ""));
    spelled
        .warnings
        .push("--source is of metrics-server 0.2; its options are taken over, use today's flags".to_owned());
    if !address.is_empty() {
        spelled
            .warnings
            .push(format!("--source: the address {address} has no effect; --kubeconfig names the API server"));
    }
    let mut is_plain = false;
    for (key, value) in options
        .split('&')
        .filter(|option| !option.is_empty())
        .map(|option| option.split_once('=').unwrap_or((option, "")))
    {
        let on = boolean(value) == "true";
        match key {
            "kubeletPort" => spelled.arguments.push(format!("--kubelet-port={value}").into()),
            "kubeletHttps" if on || value.is_empty() => {}
            "kubeletHttps" => is_plain = true,
            "auth" => spelled.arguments.push(format!("--kubeconfig={value}").into()),
            "insecure" if on => spelled.arguments.push("--insecure-api-server".into()),
            "inClusterConfig" | "useServiceAccount" | "insecure" => {}
            other => spelled.warnings.push(format!("--source: the option {other} has no effect")),
        }
    }
    if is_plain {
        spelled.arguments.push("--deprecated-kubelet-completely-insecure".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &[&str], expected: &[&str], warnings: usize) {
        let spelled = spelled(given.iter().map(OsString::from)).unwrap();
        assert_eq!(spelled.arguments, expected.iter().map(OsString::from).collect::<Vec<_>>(), "{given:?}");
        assert_eq!(spelled.warnings.len(), warnings, "{:?}", spelled.warnings);
    }

    #[test]
    fn a_bare_list_of_flags_is_serves() {
        check(&["t", "--kubelet-port=1"], &["t", "serve", "--kubelet-port=1"], 0);
        check(&["t", "serve", "--kubelet-port", "1"], &["t", "serve", "--kubelet-port", "1"], 0);
        check(&["t", "demo", "--nodes=1"], &["t", "demo", "--nodes=1"], 0);
        check(&["t", "--version"], &["t", "--version"], 0);
        check(&["t"], &["t"], 0);
    }

    #[test]
    fn gos_spellings_are_read() {
        check(&["t", "--metric_resolution=60s"], &["t", "serve", "--metric-resolution=60s"], 0);
        check(&["t", "--kubelet-insecure-tls=T"], &["t", "serve", "--kubelet-insecure-tls=true"], 0);
        check(&["t", "-v=4", "-l", "a_b=c"], &["t", "serve", "-v=4", "-l", "a_b=c"], 0);
        check(&["t", "--node-selector=a_b=c"], &["t", "serve", "--node-selector=a_b=c"], 0);
        check(
            &["t", "--kubelet-insecure-tls=0", "--node-selector=T"],
            &["t", "serve", "--kubelet-insecure-tls=false", "--node-selector=T"],
            0,
        );
        check(&["t", "--kubeconfig=", "--node-selector="], &["t", "serve", "--node-selector="], 0);
        check(
            &["t", "--kubelet-certificate-authority", "", "--kubeconfig", "/k"],
            &["t", "serve", "--kubeconfig=/k"],
            0,
        );
        check(&["t", "--", "--sink=x"], &["t", "serve", "--", "--sink=x"], 0);
    }

    #[test]
    fn flags_without_effect_go_with_their_values() {
        check(&["t", "--audit-log-path", "/x", "--kubelet-port=1"], &["t", "serve", "--kubelet-port=1"], 1);
        check(&["t", "--profiling", "--vmodule=a=1", "--logtostderr=true"], &["t", "serve"], 3);
        check(&["t", "--listen_ip", "::", "--max_procs=2", "--label_seperator", ","], &["t", "serve"], 3);
    }

    #[test]
    fn heapsters_source_is_taken_over() {
        let given = "--source=kubernetes.summary_api:''?kubeletPort=10255&kubeletHttps=false&useServiceAccount=true&insecure=true&x=y";
        check(
            &["t", given],
            &[
                "t",
                "serve",
                "--kubelet-port=10255",
                "--insecure-api-server",
                "--deprecated-kubelet-completely-insecure",
            ],
            2,
        );
        check(&["t", "--source=kubernetes:https://a?auth=/k&kubeletHttps=true"], &["t", "serve", "--kubeconfig=/k"], 2);
        assert!(spelled(["t", "--source=influx:x"].map(OsString::from)).unwrap_err().contains("leave it out"));
    }
}
