//! What a person may see of what a view needs: asked when a view opens, every 10 s, and when rights changed.

use super::door::{Authority, Namespaces};
use crate::session::gate::{Resource, Verb};
use crate::session::{Identity, Scope};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use wire::{Kind, Say};

/// A right a view needs. The first of a view's needs is the one without which nothing is shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Need {
    /// To list and watch a resource in some namespaces (empty: all).
    List(Resource, Vec<String>),
    /// To get one object.
    Get(Resource, String, String),
}

/// Whether the list of namespaces is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spaces {
    Never,
    /// When the first need is not granted everywhere.
    Partial,
    Always,
}

/// The decisions for one view.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sight {
    scopes: HashMap<Need, Scope>,
    pub(super) namespaces: Namespaces,
    /// The API server could not be asked: nothing is shown until it answers.
    pub(super) undecided: Option<String>,
}

impl Sight {
    /// Asks for all at once.
    pub(super) async fn ask(authority: &dyn Authority, who: &Identity, needs: &[Need], spaces: Spaces) -> Self {
        let mut sight = Self::default();
        let scopes = needs.iter().map(|need| async move {
            match need {
                Need::List(resource, asked) => {
                    match authority.scope(who, Verb::List, *resource, asked).await {
                        // What is only listable would have to be listed anew: shared caches are watches.
                        Ok(scope) if !scope.is_empty() && resource.group != "metrics.k8s.io" => {
                            authority.scope(who, Verb::Watch, *resource, asked).await.map(|watch| both(scope, watch))
                        }
                        decision => decision,
                    }
                }
                Need::Get(resource, namespace, name) => authority
                    .object(who, *resource, namespace, name)
                    .await
                    .map(|scope| scope.unwrap_or_else(|| Scope::In(Arc::default()))),
            }
        });
        for (need, scope) in needs.iter().zip(futures::future::join_all(scopes).await) {
            match scope {
                Ok(scope) => _ = sight.scopes.insert(need.clone(), scope),
                Err(error) => sight.undecided = Some(error.to_string()),
            }
        }
        let partial = needs.first().is_some_and(|need| sight.scope(need) != Scope::All);
        if spaces == Spaces::Always || (spaces == Spaces::Partial && partial) {
            match authority.namespaces(who).await {
                Ok(namespaces) => sight.namespaces = namespaces,
                Err(error) => sight.undecided = Some(error.to_string()),
            }
        }
        sight
    }

    /// No answer in time: nothing may be seen.
    pub(super) fn late(after: Duration) -> Self {
        let undecided = Some(format!("no decision within {} s", after.as_secs()));
        Self { undecided, ..Self::default() }
    }

    /// Says so when rows come from some of the namespaces only: of those that were asked for, or else of those the
    /// person may see anything in.
    pub(super) fn partial(&self, kind: Kind, asked: &[String]) -> Option<Say> {
        let scope = self.list(kind, asked);
        let (seen, all) = match asked {
            _ if scope == Scope::All || !kind.namespaced() => return None,
            [] => {
                let names = &self.namespaces.0;
                (names.iter().filter(|name| scope.allows(name)).count(), names.len())
            }
            names => (names.iter().filter(|name| scope.allows(name)).count(), names.len()),
        };
        let say = Say::new("E-PART").with("a", seen.to_string()).with("b", all.to_string());
        (seen < all).then(|| say.with("kind", kind.resource()))
    }

    /// Where; nowhere when it was not asked or not granted.
    pub(super) fn scope(&self, need: &Need) -> Scope {
        self.scopes.get(need).cloned().unwrap_or_else(|| Scope::In(Arc::default()))
    }

    pub(super) fn list(&self, resource: impl Into<Resource>, asked: &[String]) -> Scope {
        self.scope(&Need::List(resource.into(), asked.to_vec()))
    }
}

fn both(list: Scope, watch: Scope) -> Scope {
    match (list, watch) {
        (Scope::All, other) | (other, Scope::All) => other,
        (Scope::In(list), Scope::In(watch)) => Scope::In(Arc::new(list.intersection(&watch).cloned().collect())),
    }
}
