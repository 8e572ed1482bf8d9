//! What a person may see of what a view needs: asked when a view opens, every 10 s, and when rights changed.

use super::door::{Authority, Namespaces};
use crate::session::gate::{Resource, Verb};
use crate::session::{Identity, Scope};
use std::collections::HashMap;
use std::sync::Arc;

/// A right a view needs. The first of a view's needs is the one without which nothing is shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Need {
    /// To list and watch a resource in some namespaces (empty: all).
    List(Resource, Vec<String>),
    /// To get one object.
    Get(Resource, String, String),
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
    pub(super) async fn ask(authority: &dyn Authority, who: &Identity, needs: &[Need], spaces: bool) -> Self {
        let mut sight = Self::default();
        for need in needs {
            let scope = match need {
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
            };
            match scope {
                Ok(scope) => _ = sight.scopes.insert(need.clone(), scope),
                Err(error) => sight.undecided = Some(error.to_string()),
            }
        }
        if spaces {
            match authority.namespaces(who).await {
                Ok(namespaces) => sight.namespaces = namespaces,
                Err(error) => sight.undecided = Some(error.to_string()),
            }
        }
        sight
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
