//! The wiring: the only file that knows every part and the plane it runs on.

use crate::config::Serve;
use crate::http::cert::{self, Serving};
use crate::http::origin::OriginConfig;
use crate::http::{assets, proxies, router, tls};
use crate::notices::Notices;
use crate::planes::{Plane, Planes, stopped};
use crate::session::login::Login;
use crate::session::{self, Gate, Sessions};
use crate::{account, aggregation, cluster, history, kubelet, live, metrics_api, people, telemetry, topology};
use anyhow::Context as _;
use futures::future::BoxFuture;
use std::any::Any;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};
use wire::Kind;

/// How long tasks may take to finish what they do when the process is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

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

/// An old argument list, `taffrail --flag…`, is `taffrail serve --flag…`.
pub fn arguments(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = given.collect();
    let bare = arguments.get(1).is_some_and(|first| {
        let first = first.to_string_lossy();
        first.starts_with('-') && !["-h", "--help", "-V", "--version"].contains(&first.as_ref())
    });
    if bare {
        arguments.insert(1, "serve".into());
    }
    arguments
}

/// Logs to standard error; `RUST_LOG` chooses, `info` by default.
pub fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,kube_client=warn,hyper=warn,tower=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
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
    let files = files(flags)?;
    let account = planes.state.block_on(account::read(flags.kubeconfig.as_deref()))?;
    let notices = Notices::default();
    let (serving, registrar) = match files {
        Some(serving) => (serving, None),
        None => {
            let config = aggregation_config(flags, &account);
            let (serving, registrar) = aggregation::build(config, account.client.clone(), notices)?;
            (serving, Some(registrar))
        }
    };

    let people = ports.ui.is_some() || ports.plain.is_some();
    let kinds = if people { Kind::ALL.to_vec() } else { vec![Kind::Node, Kind::Pod] };
    let (objects, watches) =
        cluster::build(account.client.clone(), cluster::Config { kinds, pods_running_only: !people });
    let history_config =
        history::Config { resolution: u32::try_from(flags.metric_resolution.as_millis()).unwrap_or(u32::MAX) };
    let (pages, keeper, history) = history::build(&history_config, objects.clone());
    let (latest, coverage, focus, scraper) =
        kubelet::build(kubelet_config(flags)?, objects.clone(), account.kubelet.clone(), pages.clone())?;

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
    planes.instrument.spawn("certificate", |stop| serving.clone().run(stopped(stop)));
    if let Some(registrar) = registrar.filter(|_| ports.secure.is_some()) {
        planes.instrument.spawn("aggregation", |stop| registrar.run(stopped(stop)));
    }
    planes.state.spawn("cluster", |stop| watches.run(stopped(stop)));

    let served = ports.served();
    if let Some(listener) = ports.secure {
        let config = metrics_api::Config {
            resolution: flags.metric_resolution,
            node_selector: kubelet_config(flags)?.node_selector,
            ..metrics_api::Config::default()
        };
        let client = account.client.clone();
        let (objects, coverage) = (objects.clone(), coverage.clone());
        // The reviews' tasks live on the plane that asks.
        let (routes, authorities) =
            planes.instrument.block_on(async { metrics_api::build(config, client, latest, objects, coverage) });
        planes.instrument.spawn("authorities", |stop| authorities.run(stopped(stop)));
        let tls = cert::server_config(&serving, true)?;
        planes.instrument.spawn("metrics_api", |stop| tls::serve(listener, Some(tls), routes, stopped(stop)));
    }
    if people {
        let (client, stop) = (account.client.clone(), planes.stopping());
        let proxy = planes.state.block_on(async { topology::mode::run(client, stopped(stop)) });
        let gate = Gate::new(account.client.clone(), objects.namespaces.clone());
        let (client, watched) = (account.client.clone(), gate.clone());
        planes.people.spawn("rights", |stop| session::rights::run(client, watched, stopped(stop)));
        // A client spawns its own task: on the plane of those it serves.
        let sessions = planes.people.block_on(async { sessions(flags, &account, &gate) })?;
        let origin = OriginConfig { public_urls: flags.public_url.clone(), trusted_proxies: trusted(flags) };
        let place = place(flags, &account);
        let resolution = history_config.resolution;
        let kubernetes = versions(&planes.people, account.client);
        let links = live::routes(live::Parts {
            objects: objects.clone(),
            history,
            coverage,
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
        planes.people.spawn("sessions", |stop| sessions.run(stopped(stop)));
        if let Some(listener) = ports.ui {
            let tls = cert::server_config(&serving, false)?;
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
                .block_on(TcpListener::bind(address))
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

/// What to do about an address that cannot be listened on.
fn remedy(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::AddrInUse => "end what listens there, or give another port",
        ErrorKind::PermissionDenied => "give a port from 1024 on, or the right CAP_NET_BIND_SERVICE",
        ErrorKind::AddrNotAvailable => "--bind-address must be an address of this machine",
        _ => "give another address or port",
    }
}

/// The certificate of files, where there is one.
fn files(flags: &Serve) -> anyhow::Result<Option<Serving>> {
    let (Some(certificate), Some(key)) = (&flags.tls_cert_file, &flags.tls_private_key_file) else { return Ok(None) };
    let serving = Serving::from_files(certificate, key).map_err(|error| {
        let (error, certificate, key) = (anyhow::Error::from(error), certificate.display(), key.display());
        anyhow::anyhow!(
            "--tls-cert-file {certificate}, --tls-private-key-file {key}: {error:#}; give PEM files of one pair that our user can read, or neither flag for a certificate by our own authority"
        )
    })?;
    Ok(Some(serving))
}

fn aggregation_config(flags: &Serve, account: &account::Account) -> aggregation::Config {
    let own = account.config.default_namespace.clone();
    let service = (flags.service_namespace.clone().unwrap_or(own), flags.service_name.clone());
    let names = aggregation::names(&service, flags.bind_address, &account.config.cluster_url);
    let (secret, manage) = (flags.serving_ca_secret.clone(), flags.manage_apiservices);
    aggregation::Config { secret, service, manage, names }
}

fn kubelet_config(flags: &Serve) -> anyhow::Result<kubelet::Config> {
    Ok(kubelet::Config {
        resolution: flags.metric_resolution,
        request_timeout: flags.kubelet_request_timeout,
        address_types: flags.kubelet_preferred_address_types.clone(),
        use_node_status_port: flags.kubelet_use_node_status_port,
        port: flags.kubelet_port,
        insecure_tls: flags.kubelet_insecure_tls,
        certificate_authority: flags.kubelet_certificate_authority.clone(),
        client_certificate: flags.kubelet_client_certificate.clone(),
        client_key: flags.kubelet_client_key.clone(),
        completely_insecure: false,
        max_body_bytes: flags.kubelet_max_body_bytes,
        drop_after_failed: flags.drop_after_failed_scrapes,
        node_selector: kubelet::LabelSelector::parse(&flags.node_selector).context("--node-selector")?,
    })
}

fn trusted(flags: &Serve) -> proxies::Proxies {
    proxies::Proxies(flags.trusted_proxies.clone())
}

fn sessions(flags: &Serve, account: &account::Account, gate: &Gate) -> anyhow::Result<Sessions> {
    let login = Login::new(account.config.clone(), account.client.clone(), flags.login_client_certificates);
    let config = session::sessions::Config {
        cookie: session::cookie::Name::new(&[&account.config.cluster_url.to_string()]),
        limits: session::sessions::Limits::default(),
        insecure: flags.insecure_login,
    };
    Sessions::new(config, login, gate.clone()).context("making the sessions' client")
}

fn place(flags: &Serve, account: &account::Account) -> wire::session::Place {
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

/// The API server's version, asked again every minute: it changes under us, and may be away when we start.
fn versions(plane: &Plane, client: kube::Client) -> watch::Receiver<String> {
    let (sender, receiver) = watch::channel(String::new());
    plane.spawn("version", |stop| async move {
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
    });
    receiver
}

/// What this process costs, measured every five seconds.
fn cost(plane: &Plane) -> watch::Receiver<(f32, f32)> {
    let (sender, receiver) = watch::channel((f32::NAN, f32::NAN));
    plane.spawn("cost", |stop| telemetry::measure(sender, stopped(stop)));
    receiver
}

/// True from the moment the pods and nodes were read once.
fn ready(plane: &Plane, objects: &cluster::Objects) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let (nodes, pods) = (objects.nodes.clone(), objects.pods.clone());
    plane.spawn("ready", |stop| async move {
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
    });
    receiver
}
