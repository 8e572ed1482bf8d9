//! The views of a browser: what each needs, when it moved, and its next frame.

use super::charts;
use super::coverage;
use super::hub::Shared;
use super::object::{self, Seen};
use super::overview;
use super::permits::{Need, Sight, Spaces};
use super::requests::Requests;
use super::steps::step;
use super::table::{Source, Table};
use crate::cluster::Sync;
use crate::session::Permitted;
use crate::session::gate::Resource;
use wire::chart::Target;
use wire::{Kind, Millis, Say, Server, Sub, View, ViewState};

/// What a browser was shown of a view.
#[derive(Debug)]
pub(super) enum Shown {
    Table(Table),
    /// Views that are small enough to be made whole: the last frame's bytes, numbered zero.
    Whole(Option<Box<[u8]>>, Option<Box<Seen>>),
}

/// What a Service's verdict is made of.
const VERDICT: [Kind; 3] = [Kind::EndpointSlice, Kind::Pod, Kind::Node];

/// What the map is made of.
const MAPPED: [Kind; 6] =
    [Kind::Service, Kind::EndpointSlice, Kind::Pod, Kind::ReplicaSet, Kind::Deployment, Kind::Node];

/// What an overview is made of.
const SUMMED: [Kind; 5] = [Kind::Pod, Kind::Node, Kind::Deployment, Kind::Service, Kind::EndpointSlice];

/// Runs the body with `$cache` and `$board` of a kind.
macro_rules! with_kind {
    ($kind:expr, $shared:expr, |$cache:ident, $board:ident| $body:expr) => {{
        let (objects, boards) = (&$shared.parts.objects, &$shared.boards);
        match $kind {
            Kind::Node => {
                let ($cache, $board) = (&objects.nodes, &boards.nodes);
                $body
            }
            Kind::Namespace => {
                let ($cache, $board) = (&objects.namespaces, &boards.namespaces);
                $body
            }
            Kind::Pod => {
                let ($cache, $board) = (&objects.pods, &boards.pods);
                $body
            }
            Kind::ReplicaSet => {
                let ($cache, $board) = (&objects.replica_sets, &boards.replica_sets);
                $body
            }
            Kind::Deployment => {
                let ($cache, $board) = (&objects.deployments, &boards.deployments);
                $body
            }
            Kind::Service => {
                let ($cache, $board) = (&objects.services, &boards.services);
                $body
            }
            Kind::EndpointSlice => {
                let ($cache, $board) = (&objects.endpoint_slices, &boards.endpoint_slices);
                $body
            }
            Kind::Event => {
                let ($cache, $board) = (&objects.events, &boards.events);
                $body
            }
        }
    }};
}

impl Shown {
    pub(super) fn new(view: &View) -> Self {
        match view {
            View::Table(_) => Self::Table(Table::default()),
            View::Chart(_)
            | View::Object { .. }
            | View::Map { .. }
            | View::Overview { .. }
            | View::Namespaces
            | View::Coverage => Self::Whole(None, None),
        }
    }

    pub(super) fn anything(&self) -> bool {
        match self {
            Self::Table(table) => table.shown(),
            Self::Whole(last, _) => last.is_some(),
        }
    }

    pub(super) fn due(&self) -> Option<Millis> {
        match self {
            Self::Table(table) => table.due(),
            Self::Whole(..) => None,
        }
    }

    pub(super) fn hold(&mut self, on: bool) {
        if let Self::Table(table) = self {
            table.hold = on;
        }
    }

    /// The next frame, or `None` when the browser has everything there is.
    pub(super) fn frame(
        &mut self,
        shared: &Shared,
        view: &View,
        sight: &Sight,
        (sub, seq, base): (Sub, u32, u32),
        now: Millis,
    ) -> Option<Permitted<Server>> {
        match (self, view) {
            (Self::Table(table), View::Table(ask)) => {
                let asked = scope_of(ask.kind, &ask.namespaces);
                let scope = sight.list(ask.kind, asked);
                let metrics = Resource { group: "metrics.k8s.io", plural: ask.kind.resource() };
                let usage = sight.list(metrics, asked);
                let told = (ask.kind == Kind::Service).then(|| shared.told(sight, asked));
                let pods = || Requests::new(shared.runs(now), sight.list(Kind::Pod, &[]));
                let requests = (ask.kind == Kind::Node).then(pods);
                with_kind!(ask.kind, shared, |cache, board| {
                    let objects = cache.snapshot();
                    let history = &shared.parts.history;
                    let (scope, usage, told, requests) = (&scope, &usage, told.as_ref(), requests.as_ref());
                    let partial = sight.partial(ask.kind, asked);
                    let source = Source { objects: &objects, board, history, scope, usage, told, requests, partial };
                    table.frame(&source, ask, (sub, seq, base), now)
                })
            }
            (Self::Whole(last, seen), view) => {
                let stepwise = matches!(view, View::Chart(_) | View::Map { .. });
                let before = last.as_deref().filter(|_| stepwise).and_then(|bytes| wire::decode(bytes).ok());
                let fresh = whole(shared, view, sight, sub, before.as_ref(), seen, now)?;
                let mut moved = false;
                let frame = fresh.map(|fresh| {
                    // Bytes are compared: an unknown number is not equal to itself.
                    let bytes = wire::encode(&fresh).into_boxed_slice();
                    moved = last.as_deref() != Some(&*bytes);
                    *last = Some(bytes);
                    step(before.as_ref(), fresh, (seq, base))
                });
                moved.then_some(frame)
            }
            (Self::Table(_), _) => None,
        }
    }
}

/// Cluster-scoped kinds know no namespaces.
pub(super) fn scope_of(kind: Kind, namespaces: &[String]) -> &[String] {
    if kind.namespaced() { namespaces } else { &[] }
}

/// What a view needs; the first is what it cannot do without.
pub(super) fn needs(view: &View) -> (Vec<Need>, Spaces) {
    let list = |kind: Kind, asked: &[String]| Need::List(kind.into(), scope_of(kind, asked).to_vec());
    match view {
        View::Table(ask) => {
            let mut needs = vec![list(ask.kind, &ask.namespaces)];
            if matches!(ask.kind, Kind::Pod | Kind::Node) {
                let metrics = Resource { group: "metrics.k8s.io", plural: ask.kind.resource() };
                needs.push(Need::List(metrics, scope_of(ask.kind, &ask.namespaces).to_vec()));
            }
            if ask.kind == Kind::Node {
                needs.push(list(Kind::Pod, &[]));
            }
            if ask.kind == Kind::Service {
                needs.extend(VERDICT.map(|kind| list(kind, &ask.namespaces)));
            }
            let everywhere = ask.kind.namespaced() && ask.namespaces.is_empty();
            (needs, if everywhere { Spaces::Partial } else { Spaces::Never })
        }
        View::Chart(ask) => match &ask.target {
            Target::Cluster => (
                vec![list(Kind::Node, &[]), Need::List(Resource::NODE_METRICS, Vec::new()), list(Kind::Pod, &[])],
                Spaces::Never,
            ),
            Target::Node(name) => (
                vec![
                    Need::Get(Kind::Node.into(), String::new(), name.clone()),
                    Need::Get(Resource::NODE_METRICS, String::new(), name.clone()),
                    list(Kind::Pod, &[]),
                ],
                Spaces::Never,
            ),
            Target::Namespace(name) => {
                let asked = vec![name.clone()];
                (vec![list(Kind::Pod, &asked), Need::List(Resource::POD_METRICS, asked)], Spaces::Never)
            }
            Target::Pod(namespace, name) => (
                vec![
                    Need::Get(Kind::Pod.into(), namespace.clone(), name.clone()),
                    Need::Get(Resource::POD_METRICS, namespace.clone(), name.clone()),
                ],
                Spaces::Never,
            ),
        },
        View::Object { kind, namespace, name } => {
            let space = [if kind.namespaced() { namespace.clone() } else { "default".into() }];
            let mut needs = vec![Need::Get((*kind).into(), namespace.clone(), name.clone())];
            needs.extend([Kind::Event, Kind::ReplicaSet].map(|kind| list(kind, &space)));
            match kind {
                Kind::Service => needs.extend(VERDICT.map(|kind| list(kind, &space))),
                Kind::Node => needs.push(list(Kind::Pod, &[])),
                _ => {}
            }
            (needs, Spaces::Never)
        }
        View::Map { namespaces } => (MAPPED.map(|kind| list(kind, namespaces)).to_vec(), Spaces::Never),
        View::Overview { namespaces } => {
            let mut needs = SUMMED.map(|kind| list(kind, namespaces)).to_vec();
            needs.push(Need::List(Resource::NODE_METRICS, Vec::new()));
            needs.push(Need::List(Resource::POD_METRICS, namespaces.clone()));
            (needs, Spaces::Always)
        }
        View::Coverage => (vec![list(Kind::Node, &[]), list(Kind::Pod, &[])], Spaces::Never),
        View::Namespaces => {
            let mut needs = overview::COUNTED.map(|kind| list(kind, &[])).to_vec();
            needs.push(list(Kind::EndpointSlice, &[]));
            (needs, Spaces::Always)
        }
    }
}

/// Whether nothing at all is shown without the first need: an overview is made of what there is.
pub(super) fn strict(view: &View) -> bool {
    matches!(view, View::Table(_) | View::Chart(_) | View::Map { .. } | View::Coverage)
}

/// A number that moves when what the view is made of moves.
pub(super) fn version(shared: &Shared, view: &View) -> u64 {
    let of = |kind: Kind| with_kind!(kind, shared, |cache, _board| *cache.version().borrow());
    let round = *shared.parts.history.rounds().borrow();
    match view {
        View::Table(ask) if ask.kind == Kind::Service => {
            of(Kind::Service) + VERDICT.into_iter().map(of).sum::<u64>() + round
        }
        View::Table(ask) => of(ask.kind) + round,
        View::Chart(_) => round,
        View::Coverage => {
            let coverage = *shared.parts.coverage.version().borrow();
            of(Kind::Node) + of(Kind::Pod) + coverage
        }
        View::Object { .. } | View::Map { .. } | View::Overview { .. } | View::Namespaces => {
            let coverage = *shared.parts.coverage.version().borrow();
            let notices = *shared.parts.notices.version().borrow();
            Kind::ALL.into_iter().map(of).sum::<u64>() + round + coverage + notices
        }
    }
}

/// Whether a kind is known: it was read, even if it is old.
pub(super) fn read(shared: &Shared, kind: Kind) -> bool {
    with_kind!(kind, shared, |cache, _board| cache.is_filled())
}

/// How the kinds behind a view are read, as far as the person may see them.
pub(super) fn state(shared: &Shared, view: &View, sight: &Sight) -> ViewState {
    let one = |kind: Kind| match with_kind!(kind, shared, |cache, _board| cache.sync()) {
        Sync::Loading(count) => ViewState::Loading(count),
        Sync::Live => ViewState::Live,
        Sync::Stale(since, say) => ViewState::Stale(since, say),
        Sync::Denied(say) => ViewState::Failed(say),
        Sync::Off => ViewState::Failed(Say::new("E-OFF").with("kind", kind.resource())),
    };
    let all = |kinds: &[Kind], spaces: &[String]| {
        let seen = kinds.iter().filter(|kind| !sight.list(**kind, scope_of(**kind, spaces)).is_empty());
        seen.map(|kind| one(*kind)).fold(ViewState::Live, worse)
    };
    match view {
        View::Table(ask) => one(ask.kind),
        View::Coverage => worse(one(Kind::Node), one(Kind::Pod)),
        View::Object { kind, .. } => one(*kind),
        View::Overview { namespaces } => all(&SUMMED, namespaces),
        // What can't be read beside Services the map says itself.
        View::Map { namespaces } => match (one(Kind::Service), all(&MAPPED, namespaces)) {
            (ViewState::Live, ViewState::Failed(_)) => ViewState::Live,
            (first, rest) => worse(first, rest),
        },
        View::Chart(_) | View::Namespaces => ViewState::Live,
    }
}

/// Of two states of what a view is made of, the one that is said of all of it.
fn worse(one: ViewState, other: ViewState) -> ViewState {
    use ViewState as S;
    match (one, other) {
        (S::Loading(some), S::Loading(more)) => S::Loading(some.saturating_add(more)),
        (S::Stale(since, say), S::Stale(later, _)) if since <= later => S::Stale(since, say),
        (S::Stale(..), S::Stale(since, say)) => S::Stale(since, say),
        (loading @ S::Loading(_), _) | (_, loading @ S::Loading(_)) => loading,
        (stale @ S::Stale(..), _) | (_, stale @ S::Stale(..)) => stale,
        (S::Live, other) => other,
        (one, _) => one,
    }
}

/// A view's frame, whole and numbered zero; derived from permits and from nothing else.
fn whole(
    shared: &Shared,
    view: &View,
    sight: &Sight,
    sub: Sub,
    before: Option<&Server>,
    seen: &mut Option<Box<Seen>>,
    now: Millis,
) -> Option<Permitted<Server>> {
    Some(match view {
        View::Table(_) => return None,
        View::Chart(ask) => charts::chart(shared, ask, sight, now)?.map(|chart| Server::Chart { sub, seq: 0, chart }),
        View::Object { kind, namespace, name } => {
            let scope = sight.scope(needs(view).0.first()?);
            with_kind!(*kind, shared, |cache, _board| {
                let found = cache.get(namespace, name);
                if scope.allows(namespace) {
                    let found = scope.filter(found.as_slice());
                    let page =
                        found.map(|found| found.first().map(|found| object::page(shared, &***found, sight, now)));
                    page.map(|page| Server::Object { sub, seq: 0, object: object::seen(seen, page, now) })
                } else {
                    *seen = None;
                    Permitted::nothing().map(|()| Server::Object { sub, seq: 0, object: None })
                }
            })
        }
        View::Map { namespaces } => {
            let previous = if let Some(Server::Map { map, .. }) = before { Some(map) } else { None };
            let visible = object::visible(shared, sight, namespaces);
            visible.map(|visible| shared.parts.topology.map(&visible, previous)).map(|map| Server::Map {
                sub,
                seq: 0,
                map,
            })
        }
        View::Overview { namespaces } => {
            let overview = overview::overview(shared, sight, namespaces, now);
            overview.map(|overview| Server::Overview { sub, seq: 0, overview })
        }
        View::Coverage => {
            coverage::coverage(shared, sight, now).map(|coverage| Server::Coverage { sub, seq: 0, coverage })
        }
        View::Namespaces => {
            overview::namespaces(shared, sight, now).map(|namespaces| Server::Namespaces { sub, seq: 0, namespaces })
        }
    })
}

/// The node whose kubelet knows about a view's object.
pub(super) fn node(shared: &Shared, view: &View) -> Option<String> {
    let of_pod = |namespace: &str, name: &str| {
        let pod = shared.parts.objects.pods.get(namespace, name)?;
        pod.node.as_deref().map(Into::into)
    };
    match view {
        View::Object { kind: Kind::Node, name, .. } => Some(name.clone()),
        View::Object { kind: Kind::Pod, namespace, name } => of_pod(namespace, name),
        View::Chart(ask) => match &ask.target {
            Target::Node(name) => Some(name.clone()),
            Target::Pod(namespace, name) => of_pod(namespace, name),
            Target::Cluster | Target::Namespace(_) => None,
        },
        View::Object { .. }
        | View::Table(_)
        | View::Map { .. }
        | View::Overview { .. }
        | View::Namespaces
        | View::Coverage => None,
    }
}
