//! Where the person is: the address is the state. Addresses are relative to the base, so the application works below
//! any prefix.

mod query;

use crate::browser;
use leptos::prelude::*;
use query::Query;
use wire::{Kind, Millis, Ref};

/// A page of the application.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Page {
    Overview,
    Map,
    Coverage,
    /// A kind's list, with the object whose drawer is open.
    List(Kind, Option<(String, String)>),
    Unknown,
}

/// The address, read and written; and the clock all ages tick by.
#[derive(Clone, Copy)]
pub(crate) struct Nav {
    pub(crate) page: Memo<Page>,
    pub(crate) namespaces: Memo<Vec<String>>,
    query: Memo<Query>,
    /// Path and query below the base.
    address: RwSignal<String>,
    /// The server's time, once a second.
    pub(crate) clock: RwSignal<Millis>,
    /// Raised when canvases must be drawn anew: another size, another theme.
    pub(crate) redraw: RwSignal<u32>,
}

// === impl Nav ===

impl Nav {
    pub(crate) fn new() -> Self {
        let address = RwSignal::new(browser::address());
        let travel = browser::on_travel(move || address.set(browser::address()));
        on_cleanup(move || travel.remove());
        let page = Memo::new(move |_| address.with(|address| page_of(address.split('?').next().unwrap_or_default())));
        let query = Memo::new(move |_| {
            address.with(|address| Query::read(address.split_once('?').map_or("", |(_, query)| query)))
        });
        let namespaces = Memo::new(move |_| {
            let text = query.with(|query| query.get("ns"));
            text.split(',').filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
        });
        let clock = RwSignal::new(browser::now());
        Self { page, namespaces, query, address, clock, redraw: RwSignal::new(0) }
    }

    pub(crate) fn query(&self, name: &str) -> String {
        self.query.with(|query| query.get(name))
    }

    /// The address of a page in the present scope.
    pub(crate) fn href(&self, path: &str) -> String {
        let scope = self.namespaces.get().join(",");
        if scope.is_empty() { or_dot(path) } else { format!("{}?ns={scope}", or_dot(path)) }
    }

    /// The address of a page with the whole present query: the list behind a drawer stays as it is.
    pub(crate) fn beside(&self, path: &str) -> String {
        format!("{path}{}", self.query.with(Query::text))
    }

    pub(crate) fn href_of(&self, at: &Ref) -> Option<String> {
        path_of(at).map(|path| self.href(&path))
    }

    /// Follows a click on a link of ours without loading the page anew.
    pub(crate) fn follow(&self, event: &leptos::ev::MouseEvent) {
        if let Some(address) = browser::followed(event) {
            event.prevent_default();
            self.move_to(address);
        }
    }

    /// Whether the drawer of a path is open.
    pub(crate) fn shows(&self, path: &str) -> bool {
        matches!(self.page.get_untracked(), Page::List(kind, Some((namespace, name))) if object_path(kind, &namespace, &name) == path)
    }

    /// Goes to a path, keeping the query.
    pub(crate) fn go(&self, path: &str) {
        self.go_with(path, &[]);
    }

    /// From a drawer back to its list, which has no parts to choose from.
    pub(crate) fn close(&self, kind: Kind) {
        self.go_with(kind.word(), &[("tab", "")]);
    }

    /// Changes parts of the query; an empty value removes one.
    pub(crate) fn set(&self, changes: &[(&str, &str)]) {
        let path = match self.page.get_untracked() {
            Page::Overview | Page::Unknown => String::new(),
            Page::Map => "map".to_owned(),
            Page::Coverage => "coverage".to_owned(),
            Page::List(kind, None) => kind.word().to_owned(),
            Page::List(kind, Some((namespace, name))) => object_path(kind, &namespace, &name),
        };
        self.go_with(&path, changes);
    }

    fn go_with(&self, path: &str, changes: &[(&str, &str)]) {
        let mut query = self.query.get_untracked();
        for (name, value) in changes {
            query.set(name, value);
        }
        self.move_to(format!("{path}{}", query.text()));
    }

    fn move_to(&self, address: String) {
        browser::push(&address);
        self.address.set(address);
    }

    /// The age of a point in time, ticking.
    pub(crate) fn age(&self, at: Millis) -> String {
        if at == 0 { "–".to_owned() } else { wire::age::human((self.clock.get() - at).max(0)) }
    }
}

fn or_dot(path: &str) -> String {
    if path.is_empty() { "./".to_owned() } else { path.to_owned() }
}

pub(crate) fn object_path(kind: Kind, namespace: &str, name: &str) -> String {
    let namespace = if namespace.is_empty() { "_" } else { namespace };
    format!("{}/{namespace}/{name}", kind.word())
}

/// The path of an object's drawer, for kinds that have a list.
pub(crate) fn path_of(at: &Ref) -> Option<String> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == at.kind)?;
    listed(kind).then(|| object_path(kind, &at.namespace, &at.name))
}

fn listed(kind: Kind) -> bool {
    matches!(kind, Kind::Node | Kind::Pod | Kind::Deployment | Kind::Service)
}

/// Namespace and name of the Service in an address: behind the API server's proxy, or by its name in the cluster.
pub(crate) fn service_of(host: &str, path: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = path.split('/').collect();
    let through = parts.windows(4).find_map(|part| match part {
        ["namespaces", namespace, "services", service] => {
            Some((*namespace, service.split(':').rev().nth(1).unwrap_or(service)))
        }
        _ => None,
    });
    let inside = || {
        let mut labels = host.split('.');
        let (service, namespace, kind) = (labels.next()?, labels.next()?, labels.next());
        matches!(kind, Some("svc")).then_some((namespace, service))
    };
    through.or_else(inside).map(|(namespace, service)| (namespace.to_owned(), service.to_owned()))
}

fn page_of(path: &str) -> Page {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] | ["overview" | "login"] => Page::Overview,
        ["map" | "topology"] => Page::Map,
        ["coverage"] => Page::Coverage,
        [word, rest @ ..] => match (Kind::of_word(word).filter(|kind| listed(*kind)), rest) {
            (Some(kind), []) => Page::List(kind, None),
            (Some(kind), [namespace, name]) => {
                let namespace = if *namespace == "_" { "" } else { namespace };
                Page::List(kind, Some((namespace.to_owned(), (*name).to_owned())))
            }
            _ => Page::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_name_its_service() {
        let owned = |(a, b): (&str, &str)| Some((a.to_owned(), b.to_owned()));
        let proxied = "/api/v1/namespaces/ops/services/https:rail:443/proxy/";
        assert_eq!(service_of("localhost", proxied), owned(("ops", "rail")));
        assert_eq!(service_of("rail.ops.svc.cluster.local", "/"), owned(("ops", "rail")));
        assert_eq!(service_of("192.0.2.7", "/"), None);
        assert_eq!(service_of("rail.example.org", "/"), None);
    }

    #[test]
    fn paths_are_pages() {
        assert_eq!(page_of("/"), Page::Overview);
        assert_eq!(page_of("/coverage"), Page::Coverage);
        assert_eq!(page_of("/pod"), Page::List(Kind::Pod, None));
        assert_eq!(page_of("/node/_/a"), Page::List(Kind::Node, Some((String::new(), "a".into()))));
        assert_eq!(page_of("/pod/x"), Page::Unknown);
        assert_eq!(object_path(Kind::Node, "", "a"), "node/_/a");
    }
}
