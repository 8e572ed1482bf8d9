//! The wiring: the only file that knows every part and the plane it runs on.

use crate::config::{LoggingFormat, ScrapeCadvisor, Serve};
use crate::http::origin::OriginConfig;
use crate::http::{assets, cert, router, tls};
use crate::notices::Notices;
use crate::planes::{Plane, Planes, stopped};
use crate::session::{self, Gate};
use crate::{
    account, aggregation, cluster, history, kubelet, live, metrics_api, people, settings, telemetry, topology,
};
use futures::future::BoxFuture;
use std::any::Any;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};
use wire::Kind;

/// How long tasks may take to finish what they do when the process is told to stop.
const DRAIN: Duration = Duration::from_secs(12); // a listener lets requests end for ten

/// "Address family not supported", as Linux numbers it.
const EAFNOSUPPORT: i32 = 97;

/// Where the process listens; `None` for what is switched off.
#[derive(Clone, Debug, Default)]
pub struct Served {
    pub secure: Option<SocketAddr>,
    pub ui: Option<SocketAddr>,
    pub plain: Option<SocketAddr>,
}

/// What differs when somebody else chooses the ports and wants to know them: the demo, tests, benches.
pub struct Extra {
    /// Address of plain HTTP, instead of the flags'.
    pub listen: Option<SocketAddr>,
    /// Any free port for `metrics.k8s.io`.
    pub free_secure_port: bool,
    /// Puts pages of the past into the history; the first scrape waits for it.
    pub past: Option<Past>,
    /// Told once everything listens; what it returns lives as long as the process runs.
    pub serving: OnServing,
}

/// See [`Extra::past`].
pub type Past = Box<dyn FnOnce(history::Pages) -> BoxFuture<'static, ()> + Send>;

/// See [`Extra::serving`].
pub type OnServing = Box<dyn FnOnce(&Served) -> Box<dyn Any>>;

impl std::fmt::Debug for Extra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Extra({:?})", self.listen)
    }
}

/// Logs to standard error. `RUST_LOG` chooses, else `-v`: `info` by default, ours in detail from 4 on, everything from 6.
pub fn start_logging(verbosity: u8, format: LoggingFormat) {
    let wanted = match verbosity {
        0..4 => "info,kube_client=warn,hyper=warn,tower=warn",
        4..6 => "info,backend=debug,series=debug,kube_client=warn,hyper=warn,tower=warn",
        _ => "debug,backend=trace,series=trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(wanted));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    match format {
        LoggingFormat::Text => log.init(),
        LoggingFormat::Json => log.json().init(),
    }
}

/// Resolves at the first SIGINT or SIGTERM.
pub async fn signals() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        warn!("signals cannot be caught; only SIGKILL ends this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Runs the product until `stop` resolves, then gives its parts [`DRAIN`] to finish.
///
/// # Errors
/// A taken port, an unreadable file, an API server address that makes no sense, or a task that ended by itself.
pub fn run(flags: &Serve, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    run_with(
        flags,
        stop,
        Extra { listen: None, free_secure_port: false, past: None, serving: Box::new(|_| Box::new(())) },
    )
}

/// As [`run`], for those who start the product around something else.
///
/// # Errors
/// As [`run`].
pub fn run_with(flags: &Serve, stop: impl Future<Output = ()>, mut extra: Extra) -> anyhow::Result<()> {
    // Three planes, a runtime each: a browser can starve another browser, never a scrape.
    let planes = Planes::start()?;
    // Every port is taken here, so that a missing one is an error before anything was read. Nothing is accepted yet.
    let ports = Ports::bind(flags, &extra, &planes)?;
    let files = settings::files(flags)?;
    let protocols = settings::protocols(flags)?;
    for warning in &protocols.warnings {
        warn!("{warning}");
    }
    if flags.scrape_cadvisor == ScrapeCadvisor::Always {
        warn!("--scrape-cadvisor=always has no effect: nothing is made of /metrics/cadvisor yet");
    }
    let account =
        planes.state.block_on(account::read("--kubeconfig", flags.kubeconfig.as_deref(), flags.insecure_api_server))?;
    let notices = Notices::default();
    let (serving, registrar) = match files {
        Some(serving) => (serving, None),
        None => {
            let config = settings::aggregation(flags, &account);
            let (serving, registrar) = aggregation::build(config, account.client.clone(), notices.clone())?;
            (serving, Some(registrar))
        }
    };
    let serving = settings::named(serving, flags)?;
    let (draining, is_draining) = watch::channel(false);
    let delay = flags.serving.shutdown_delay_duration;
    let stop = async move {
        stop.await;
        draining.send_replace(true);
        tokio::time::sleep(delay).await;
    };

    let people = ports.ui.is_some() || ports.plain.is_some();
    let kinds = if people { Kind::ALL.to_vec() } else { vec![Kind::Node, Kind::Pod] };
    let (objects, watches) = cluster::build(account.client.clone(), cluster::Config { kinds, metrics_only: !people });
    let history_config =
        history::Config { resolution: u32::try_from(flags.metric_resolution.as_millis()).unwrap_or(u32::MAX) };
    let (pages, keeper, history) = history::build(&history_config, objects.clone());
    let (latest, coverage, focus, scraper) =
        kubelet::build(settings::kubelet(flags)?, objects.clone(), account.kubelet.clone(), pages.clone())?;

    let meters = scraper.meters();
    let past = extra.past.take().map(|past| past(pages));
    planes.instrument.spawn("kubelet", |stop| async move {
        if let Some(past) = past {
            past.await;
        }
        scraper.run(stopped(stop)).await;
    });
    // Only people look back: without them nothing is kept, and the scraper hears that nobody listens.
    if people {
        planes.instrument.spawn("history", |stop| keeper.run(stopped(stop)));
    } else {
        drop(keeper);
    }
    let (certificate, told) = (serving.clone(), notices.clone());
    planes.instrument.supervise("certificate", move |stop| certificate.clone().run(told.clone(), stopped(stop)));
    if let Some(registrar) = registrar.filter(|_| ports.secure.is_some()) {
        planes.instrument.spawn("aggregation", |stop| registrar.run(stopped(stop)));
    }
    planes.state.spawn("cluster", |stop| watches.run(stopped(stop)));

    let (served, served_now) = (ports.served(), latest.clone());
    if let Some(listener) = ports.secure {
        let config = settings::metrics_api(flags)?;
        let (authentication, authorization) = planes.instrument.block_on(settings::reviewers(flags, &account))?;
        let (objects, coverage) = (objects.clone(), coverage.clone());
        let parts = metrics_api::Parts {
            authentication,
            authorization,
            latest,
            objects,
            coverage,
            scraper: meters,
            notices: notices.clone(),
            draining: is_draining,
        };
        // The reviews' tasks live on the plane that asks.
        let built = planes.instrument.block_on(async { metrics_api::build(config, parts) });
        let (routes, authorities) = built.map_err(anyhow::Error::msg)?;
        planes.instrument.spawn("authorities", |stop| authorities.run(stopped(stop)));
        let tls = cert::server_config(&serving, &protocols, true)?;
        planes.instrument.spawn("metrics_api", |stop| tls::serve(listener, Some(tls), routes, stopped(stop)));
    }
    if people {
        let (client, stop) = (account.client.clone(), planes.stopping());
        let proxy = planes.state.block_on(async { topology::mode::run(client, stopped(stop)) });
        let gate = Gate::new(account.client.clone(), objects.namespaces.clone());
        let (client, watched) = (account.client.clone(), gate.clone());
        let rights = move |stop| session::rights::run(client.clone(), watched.clone(), stopped(stop));
        planes.people.supervise("rights", rights);
        // A client spawns its own task: on the plane of those it serves.
        let sessions = planes.people.block_on(async { settings::sessions(flags, &account, &gate) })?;
        let origin = OriginConfig { public_urls: flags.public_url.clone(), trusted_proxies: settings::proxies(flags) };
        let place = settings::place(flags, &account);
        let resolution = history_config.resolution;
        let kubernetes = versions(&planes.people, account.client);
        let links = live::routes(live::Parts {
            objects: objects.clone(),
            history,
            coverage,
            latest: served_now,
            notices,
            authority: Arc::new(gate),
            door: Arc::new(people::Lobby { sessions: sessions.clone(), origin: origin.clone() }),
            topology: Arc::new(people::Traffic { proxy }),
            focus: Some(Arc::new(move |node: &str| Box::new(focus.look(node)) as Box<dyn Any + Send>)),
            cluster: place.cluster.as_str().into(),
            kubernetes: kubernetes.clone(),
            own: cost(&planes.people),
            resolution,
            draining: planes.stopping(),
        });
        let routes = router::router(router::Parts {
            sessions: sessions.clone(),
            assets: assets::Assets::embedded()?,
            config: router::Config { base_path: flags.base_path.clone(), origin, hsts: false },
            place,
            kubernetes,
            ready: ready(&planes.people, &objects),
            extra: links,
        });
        planes.people.supervise("sessions", move |stop| sessions.clone().run(stopped(stop)));
        if let Some(listener) = ports.ui {
            let tls = cert::server_config(&serving, &protocols, false)?;
            let routes = routes.clone();
            planes.people.spawn("ui", |stop| tls::serve(listener, Some(tls), routes, stopped(stop)));
        }
        if let Some(listener) = ports.plain {
            planes.people.spawn("ui_http", |stop| tls::serve(listener, None, routes, stopped(stop)));
        }
    }
    info!(
        secure_port = served.secure.map(tracing::field::display),
        ui_port = served.ui.map(tracing::field::display),
        ui_http_port = served.plain.map(tracing::field::display),
        "serving"
    );
    let guest = (extra.serving)(&served);
    let end = planes.until(stop, DRAIN);
    drop(guest);
    end
}

/// Listeners that are bound and accept nothing yet.
struct Ports {
    secure: Option<TcpListener>,
    ui: Option<TcpListener>,
    plain: Option<TcpListener>,
}

impl Ports {
    fn bind(flags: &Serve, extra: &Extra, planes: &Planes) -> anyhow::Result<Self> {
        let take = |plane: &Plane, flag: &str, address: SocketAddr| {
            plane
                .block_on(listen(address))
                .map_err(|error| anyhow::anyhow!("{flag}: cannot listen on {address}: {error}; {}", remedy(&error)))
        };
        let on = |port: u16| SocketAddr::new(flags.bind_address, port);
        let secure = if extra.free_secure_port {
            Some(take(&planes.instrument, "--secure-port", on(0))?)
        } else if flags.secure_port == 0 {
            None
        } else {
            Some(take(&planes.instrument, "--secure-port", on(flags.secure_port))?)
        };
        let ui = match flags.ui_port {
            0 => None,
            port => Some(take(&planes.people, "--ui-port", on(port))?),
        };
        let plain = match (extra.listen, flags.ui_http_port) {
            (Some(address), _) => Some(take(&planes.people, "--listen", address)?),
            (None, 0) => None,
            (None, _) => Some(take(&planes.people, "--ui-http-port", flags.plain_address())?),
        };
        Ok(Self { secure, ui, plain })
    }

    fn served(&self) -> Served {
        let at = |listener: &Option<TcpListener>| listener.as_ref().and_then(|listener| listener.local_addr().ok());
        Served { secure: at(&self.secure), ui: at(&self.ui), plain: at(&self.plain) }
    }
}

/// As Go listens: all addresses of IPv4 are those of IPv6 as well, where there is such a thing.
async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    if address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
        let both = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), address.port());
        match TcpListener::bind(both).await {
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::AddrNotAvailable) => {}
            // Some kernels without IPv6 have another word for it.
            Err(error) if error.raw_os_error() == Some(EAFNOSUPPORT) => {}
            other => return other,
        }
    }
    TcpListener::bind(address).await
}

/// What to do about an address that cannot be listened on.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "end what listens there, or give another port",
        ErrorKind::PermissionDenied => "give a port from 1024 on, or the right CAP_NET_BIND_SERVICE",
        ErrorKind::AddrNotAvailable => "--bind-address must be an address of this machine",
        _ => "give another address or port",
    }
}

/// The API server's version, asked again every minute: it changes under us, and may be away when we start.
fn versions(plane: &Plane, client: kube::Client) -> watch::Receiver<String> {
    let (sender, receiver) = watch::channel(String::new());
    plane.supervise("version", move |stop| {
        let (client, sender) = (client.clone(), sender.clone());
        async move {
            let mut due = tokio::time::interval(Duration::from_secs(60));
            let stop = stopped(stop);
            tokio::pin!(stop);
            loop {
                tokio::select! {
                    () = &mut stop => return,
                    _ = due.tick() => {}
                }
                // Its absence is said by every watch; here it only leaves the last known version standing.
                if let Ok(version) = client.apiserver_version().await {
                    sender.send_if_modified(|known| {
                        let changed = *known != version.git_version;
                        known.clone_from(&version.git_version);
                        changed
                    });
                }
            }
        }
    });
    receiver
}

/// What this process costs, measured every five seconds.
fn cost(plane: &Plane) -> watch::Receiver<(f32, f32)> {
    let (sender, receiver) = watch::channel((f32::NAN, f32::NAN));
    plane.supervise("cost", move |stop| telemetry::measure(sender.clone(), stopped(stop)));
    receiver
}

/// True from the moment the pods and nodes were read once.
fn ready(plane: &Plane, objects: &cluster::Objects) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let (nodes, pods) = (objects.nodes.clone(), objects.pods.clone());
    plane.supervise("ready", move |stop| {
        let (sender, nodes, pods) = (sender.clone(), nodes.clone(), pods.clone());
        async move {
            let read = async {
                let (mut node_versions, mut pod_versions) = (nodes.version(), pods.version());
                let reading = |sync| matches!(sync, cluster::Sync::Loading(_) | cluster::Sync::Off);
                while reading(nodes.sync()) || reading(pods.sync()) {
                    // The caches outlive this task; their end would be the process' end.
                    let _ = tokio::select! {
                        change = node_versions.changed() => change,
                        change = pod_versions.changed() => change,
                    };
                }
                sender.send_replace(true);
                sender.closed().await;
            };
            tokio::select! {
                () = stopped(stop) => {}
                () = read => {}
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn all_addresses_are_those_of_both_families() {
        let listener = listen("0.0.0.0:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // A machine without IPv6 has nothing to be reached by.
        if TcpListener::bind("[::1]:0").await.is_ok() {
            TcpStream::connect(("::1", port)).await.unwrap();
        }
        let one = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert_eq!(one.local_addr().unwrap().ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
}
