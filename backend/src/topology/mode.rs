//! Which proxy programs the nodes: read from what configures it, asked again every five minutes. The line that says so
//! travels with the answer; what can't be read is said to be assumed, never guessed silently.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, api::ListParams};
use std::time::Duration;
use tokio::sync::watch;
use wire::map::Proxy;

/// A proxy's mode changes with a rollout at most.
const EVERY: Duration = Duration::from_secs(300);

/// Starts asking; the receiver has the newest answer. The task ends when `stop` resolves or nobody listens.
pub fn run(client: Client, stop: impl Future<Output = ()> + Send + 'static) -> watch::Receiver<Proxy> {
    let (answers, newest) = watch::channel(assumed("not asked yet"));
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(EVERY);
        let asking = async {
            while !answers.is_closed() {
                tick.tick().await;
                let answer = detect(&client).await;
                answers.send_if_modified(|known| {
                    *known != answer && {
                        *known = answer;
                        true
                    }
                });
            }
        };
        tokio::select! {
            () = asking => {}
            () = stop => {}
        }
    });
    newest
}

/// Asks once: the ConfigMap, then the DaemonSet's arguments, then who else runs in its place.
pub async fn detect(client: &Client) -> Proxy {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
    let mut unread = Vec::new();
    for (name, slot) in [("kube-proxy", "config.conf"), ("kube-proxy-config", "config")] {
        match maps.get_opt(name).await {
            Ok(found) => {
                let text = found.and_then(|map| map.data?.remove(slot));
                if let Some(proxy) = text.and_then(|text| of_config(name, slot, &text)) {
                    return proxy;
                }
            }
            Err(error) => unread.push(format!("configmap {name}: {error}")),
        }
    }
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), "kube-system");
    match sets.list(&ListParams::default()).await {
        Ok(list) => {
            let all: Vec<(String, Vec<String>)> = list.items.into_iter().filter_map(arguments).collect();
            if let Some(proxy) = of_daemons(&all) {
                return proxy;
            }
            unread.push("no DaemonSet of kube-system names a proxy mode".to_owned());
        }
        Err(error) => unread.push(format!("daemonsets of kube-system: {error}")),
    }
    assumed(&unread.join("; "))
}

/// The mode a KubeProxyConfiguration sets; nothing when it can't be read as one.
fn of_config(name: &str, slot: &str, text: &str) -> Option<Proxy> {
    #[derive(serde::Deserialize)]
    struct Config {
        kind: String,
        #[serde(default)]
        mode: Option<String>,
    }
    let config: Config =
        serde_saphyr::from_str(text).ok().filter(|config: &Config| config.kind == "KubeProxyConfiguration")?;
    let mode = config.mode.unwrap_or_default();
    let evidence = format!("configmap kube-system/{name}, {slot}: mode: \"{mode}\"");
    let mode = if mode.is_empty() { "iptables".to_owned() } else { mode };
    Some(Proxy { mode, how: "configured".into(), evidence })
}

/// The mode that DaemonSets by name and arguments tell.
fn of_daemons(all: &[(String, Vec<String>)]) -> Option<Proxy> {
    if let Some((name, arguments)) = all.iter().find(|(name, _)| name == "kube-proxy") {
        let value = |flag: &str| {
            let after = arguments.iter().skip_while(|argument| *argument != flag).nth(1);
            arguments
                .iter()
                .find_map(|argument| argument.strip_prefix(flag)?.strip_prefix('='))
                .or(after.map(String::as_str))
        };
        // With a configuration file the flag is ignored.
        let mode = value("--proxy-mode").filter(|_| value("--config").is_none())?;
        let evidence = format!("daemonset kube-system/{name}: --proxy-mode={mode}");
        return Some(Proxy { mode: mode.into(), how: "configured".into(), evidence });
    }
    let replacements = [("cilium", "Cilium"), ("kube-router", "kube-router"), ("anetd", "GKE Dataplane V2")];
    let found = replacements.iter().find(|(daemon, _)| all.iter().any(|(name, _)| name == daemon));
    found.map(|(daemon, mode)| Proxy {
        mode: (*mode).into(),
        how: "assumed".into(),
        evidence: format!("daemonset kube-system/{daemon} and no kube-proxy"),
    })
}

fn arguments(set: DaemonSet) -> Option<(String, Vec<String>)> {
    let containers = set.spec.and_then(|spec| spec.template.spec).map(|spec| spec.containers).unwrap_or_default();
    let words = containers.into_iter().flat_map(|container| {
        container.command.unwrap_or_default().into_iter().chain(container.args.unwrap_or_default())
    });
    Some((set.metadata.name?, words.collect()))
}

fn assumed(why: &str) -> Proxy {
    Proxy { mode: String::new(), how: "assumed".into(), evidence: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn config(text: &str, mode: Option<&str>) {
        assert_eq!(of_config("kube-proxy", "config.conf", text).map(|proxy| proxy.mode).as_deref(), mode);
    }

    #[track_caller]
    fn daemon(name: &str, arguments: &[&str], mode: Option<&str>) {
        let all = [(name.to_owned(), arguments.iter().map(|word| (*word).to_owned()).collect())];
        assert_eq!(of_daemons(&all).map(|proxy| proxy.mode).as_deref(), mode);
    }

    #[test]
    fn the_configuration_names_the_mode_and_silence_is_iptables() {
        config("kind: KubeProxyConfiguration\nmode: nftables\n", Some("nftables"));
        config("kind: KubeProxyConfiguration\nmode: \"\"\nbindAddress: 0.0.0.0\n", Some("iptables"));
        config("kind: KubeProxyConfiguration\n", Some("iptables"));
        config("kind: Other\nmode: ipvs\n", None);
        config(": [", None);
    }

    #[test]
    fn a_flag_counts_only_without_a_configuration_file() {
        daemon("kube-proxy", &["kube-proxy", "--proxy-mode=ipvs"], Some("ipvs"));
        daemon("kube-proxy", &["kube-proxy", "--proxy-mode", "ipvs"], Some("ipvs"));
        daemon("kube-proxy", &["kube-proxy", "--config=/x", "--proxy-mode=ipvs"], None);
        daemon("cilium", &[], Some("Cilium"));
        daemon("fluentd", &[], None);
    }
}
