//! `taffrail demo`: starts the simulated cluster, points an ordinary configuration at it, and runs the product. The
//! only module of the product that knows the simulator; everything behind it is the production path.

use crate::app;
use crate::config::{Demo, Serve};
use crate::history::Pages;
use crate::kubelet::{Names, parse};
use anyhow::Context as _;
use clap::Parser as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const HOUR: i64 = 3_600_000;
/// Pages of the past at most: a large cluster begins with less of it, and soon.
const PAST_PAGES: i64 = 6_000;

/// # Errors
/// When the simulator or the product cannot start, or stopped by themselves.
pub fn run(flags: &Demo, stop: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("sim").enable_all().build()?;
    let config = sim::Config {
        nodes: flags.nodes,
        pods_per_node: flags.pods_per_node,
        seed: flags.seed,
        ..sim::Config::default()
    };
    let cluster = runtime.block_on(sim::Cluster::start(config)).context("the simulated cluster does not start")?;
    let folder = match &flags.kubeconfigs {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("taffrail-demo-{}", std::process::id())),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let people = [sim::Who::Admin, sim::Who::Viewer, sim::Who::Narrow, sim::Who::Certificate, sim::Who::Taffrail];
    for who in people {
        write(&folder, name(who), &cluster.kubeconfig(who))?;
    }

    let serve = serve(&folder, flags);
    let admin = folder.join("admin.kubeconfig");
    let hint =
        Hint { token: cluster.tokens().admin.clone(), viewer: cluster.tokens().viewer.clone(), kubeconfig: admin };
    // The runtime that serves the cluster and the product's planes both hold it.
    let cluster = Arc::new(cluster);
    let simulated = Arc::clone(&cluster);
    let resolution = flags.metric_resolution;
    let end = app::run_with(
        &serve,
        stop,
        app::Extra {
            listen: Some(flags.listen),
            free_secure_port: true,
            past: Some(Box::new(move |pages| Box::pin(past(simulated, resolution, pages)))),
            serving: Box::new(move |served: &app::Served| {
                if let Some(secure) = served.secure {
                    cluster.aggregate(secure);
                }
                hint.print(served);
                Box::new(cluster)
            }),
        },
    );
    // What we wrote goes with us; a leftover in the temporary folder is no reason to fail.
    let _ = std::fs::remove_dir_all(&folder);
    drop(runtime);
    end
}

/// What the kubelets would have said in the last hour, through the same parser and the same door as what they say: the
/// simulated load is a function of time, so these are the values a scraper would have seen. Pods that did not run then
/// are not on the pages.
async fn past(cluster: Arc<sim::Cluster>, resolution: Duration, pages: Pages) {
    let nodes: Vec<Arc<str>> = cluster.answering().iter().map(|node| Arc::from(node.as_str())).collect();
    let step = i64::try_from(resolution.as_millis()).unwrap_or(i64::MAX).max(1);
    let rounds = (HOUR / step).min(PAST_PAGES / i64::try_from(nodes.len()).unwrap_or(i64::MAX).max(1));
    let now = cluster.clock().now();
    let mut names = Names::default();
    for round in (1..=rounds).rev() {
        let at = now - round * step;
        for node in &nodes {
            let parsed = parse::page(cluster.page(node, at).as_bytes(), node, at, true, &mut names);
            if pages.send(Arc::new(parsed.page)).await.is_err() {
                return; // the process ends
            }
        }
    }
}

/// The command line that a person would type against a real cluster.
fn serve(folder: &Path, flags: &Demo) -> Serve {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }
    let mut serve = Line::parse_from(["taffrail"]).serve;
    serve.kubeconfig = Some(folder.join("taffrail.kubeconfig"));
    serve.bind_address = std::net::Ipv4Addr::LOCALHOST.into();
    serve.cluster_name = Some("demo".to_owned());
    serve.service_namespace = Some("kube-system".to_owned());
    serve.kubelet_preferred_address_types = vec!["InternalIP".to_owned()];
    serve.kubelet_use_node_status_port = true;
    serve.metric_resolution = flags.metric_resolution;
    serve.kubelet_request_timeout = flags.metric_resolution * 9 / 10;
    serve.ui_port = 0;
    serve
}

const fn name(who: sim::Who) -> &'static str {
    match who {
        sim::Who::Admin => "admin",
        sim::Who::Viewer => "viewer",
        sim::Who::Narrow => "narrow",
        sim::Who::Certificate => "certificate",
        sim::Who::Taffrail => "taffrail",
    }
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(format!("{name}.kubeconfig"));
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

struct Hint {
    token: String,
    viewer: String,
    kubeconfig: PathBuf,
}

impl Hint {
    /// For the person who typed `taffrail demo`; on standard output, because it is the command's result.
    fn print(&self, served: &app::Served) {
        if let Some(address) = served.plain {
            println!("\n  open http://{address}/");
        }
        println!("  sign in with the token {}", self.token);
        println!("  or, as a viewer of two namespaces, {}", self.viewer);
        println!("  kubectl: export KUBECONFIG={}\n", self.kubeconfig.display());
    }
}
