//! The authorizer before every read from shared caches. The API server decides (`SubjectAccessReview` for exactly the
//! person's identity, asked with our account); decisions are cached for 10 s, errors are not: no decision, no data.

use super::Identity;
use super::review::{Question, review};
pub use super::scope::{Permitted, Resource, Scope, Verb, denied};
use crate::cluster::Cache;
use crate::cluster::kinds::Namespace;
use futures::future::{BoxFuture, FutureExt as _, Shared};
use futures::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// How long a decision may be relied on.
pub const LIFE: Duration = Duration::from_secs(10);
/// How long [`Gate::namespaces`] goes on before it answers with what it has.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Reviews in flight per person.
const REVIEWS: usize = 16;
/// Identities and decisions per identity before the ones out of date are dropped.
const PEOPLE: usize = 256;
const DECISIONS: usize = 16_384;
/// Namespaces one question may name.
const ASKED: usize = 1000;

/// Why there is no decision.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GateError {
    /// The API server did not answer the review; nothing is shown until it does.
    #[error("no decision from the API server: {0}")]
    Undecided(String),
}

/// Asks and remembers. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    /// Our own account: the only thing it is used for is reviews.
    client: kube::Client,
    /// Candidates when a person may not list everywhere.
    namespaces: Cache<Namespace>,
    /// Held for one lookup, insertion or clean-up.
    people: Mutex<HashMap<Identity, Arc<Person>>>,
    revoked: watch::Sender<u64>,
}

/// What is known about one identity.
struct Person {
    /// Held for one lookup, insertion or clean-up.
    decisions: Mutex<HashMap<Question, Decision>>,
    /// Reviews in flight: one person's thousand namespaces leave room for the others.
    reviews: Arc<Semaphore>,
}

type Answer = Shared<BoxFuture<'static, Result<bool, GateError>>>;

/// A review asked at a time: its answer belongs to that time, however late somebody reads it.
#[derive(Clone)]
struct Decision {
    asked: Instant,
    answer: Answer,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gate({} people)", self.inner.people.lock().len())
    }
}

// === impl Gate ===

impl Gate {
    /// `client` is of our own account, which needs `create subjectaccessreviews` (`system:auth-delegator`).
    pub fn new(client: kube::Client, namespaces: Cache<Namespace>) -> Self {
        Self { inner: Arc::new(Inner { client, namespaces, people: Mutex::default(), revoked: watch::Sender::new(0) }) }
    }

    /// Where `who` may do `verb` with `resource`: asked cluster-wide first, then namespace by namespace among the
    /// namespaces there are. `asked` narrows the answer (empty: no narrowing).
    ///
    /// # Errors
    /// [`GateError::Undecided`] when the API server could not be asked; callers show that and no data.
    pub async fn scope(
        &self,
        who: &Identity,
        verb: Verb,
        resource: Resource,
        asked: &[String],
    ) -> Result<Scope, GateError> {
        let person = self.person(who);
        let everywhere = Question { verb, resource, namespace: "".into(), name: "".into() };
        if self.decide(who, &person, everywhere).await? {
            return Ok(match asked {
                [] => Scope::All,
                _ if !resource.namespaced() => Scope::All,
                names => Scope::In(Arc::new(names.iter().map(|name| Arc::from(name.as_str())).collect())),
            });
        }
        if !resource.namespaced() {
            return Ok(Scope::In(Arc::default()));
        }
        let candidates = match asked {
            [] => self.candidates(who).0,
            names => names.iter().take(ASKED).map(|name| Arc::from(name.as_str())).collect(),
        };
        let allowed: Vec<Option<Arc<str>>> = futures::stream::iter(candidates)
            .map(|namespace| {
                let question = Question { verb, resource, namespace: Arc::clone(&namespace), name: "".into() };
                let person = &person;
                async move { Ok(self.decide(who, person, question).await?.then_some(namespace)) }
            })
            .buffer_unordered(REVIEWS)
            .try_collect()
            .await?;
        Ok(Scope::In(Arc::new(allowed.into_iter().flatten().collect())))
    }

    /// Whether `who` may `get` one object (also by `resourceNames`); `None` when not. The scope is that object's
    /// namespace, for [`Scope::one`] alone: a name's permit says nothing about its neighbours.
    ///
    /// # Errors
    /// As [`Gate::scope`].
    pub async fn object(
        &self,
        who: &Identity,
        resource: Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Scope>, GateError> {
        if name.is_empty() || namespace.is_empty() == resource.namespaced() {
            return Ok(None);
        }
        let namespace: Arc<str> = namespace.into();
        let question = Question { verb: Verb::Get, resource, namespace: Arc::clone(&namespace), name: name.into() };
        let allowed = self.decide(who, &self.person(who), question).await?;
        Ok(allowed.then(|| Scope::In(Arc::new(BTreeSet::from([namespace])))))
    }

    /// The namespaces `who` can see anything in, sorted, and whether these are all; how many are still unchecked. What
    /// takes longer than [`PATIENCE`] is left for the next call, which finds the answers so far.
    ///
    /// # Errors
    /// As [`Gate::scope`].
    pub async fn namespaces(&self, who: &Identity) -> Result<(Vec<Arc<str>>, bool, u32), GateError> {
        let person = self.person(who);
        let (candidates, complete) = self.candidates(who);
        let kinds = || wire::Kind::ALL.into_iter().filter(|kind| kind.namespaced()).map(Resource::from);
        let list = |resource, namespace| Question { verb: Verb::List, resource, namespace, name: "".into() };
        for resource in kinds() {
            if self.decide(who, &person, list(resource, "".into())).await? {
                return Ok((candidates, complete, 0));
            }
        }
        let total = candidates.len();
        let mut checks = futures::stream::iter(candidates)
            .map(|namespace| {
                let person = &person;
                async move {
                    for resource in kinds() {
                        if self.decide(who, person, list(resource, Arc::clone(&namespace))).await? {
                            return Ok(Some(namespace));
                        }
                    }
                    Ok(None)
                }
            })
            .buffer_unordered(REVIEWS);
        let deadline = Instant::now() + PATIENCE;
        let (mut visible, mut checked) = (BTreeSet::new(), 0_usize);
        while let Ok(Some(answer)) = tokio::time::timeout_at(deadline, checks.next()).await {
            visible.extend(answer?);
            checked += 1;
        }
        let unchecked = u32::try_from(total - checked).unwrap_or(u32::MAX);
        Ok((visible.into_iter().collect(), complete && unchecked == 0, unchecked))
    }

    /// Moves when decisions were dropped before their time (RBAC changed): open views ask again.
    pub fn revoked(&self) -> watch::Receiver<u64> {
        self.inner.revoked.subscribe()
    }

    /// Drops all decisions, for whoever sees RBAC change.
    pub fn forget(&self) {
        self.inner.people.lock().clear();
        self.inner.revoked.send_modify(|version| *version += 1);
    }

    /// Namespaces worth asking about, sorted, and whether that is all of them.
    fn candidates(&self, who: &Identity) -> (Vec<Arc<str>>, bool) {
        let known = self.inner.namespaces.snapshot();
        let mut names: BTreeSet<Arc<str>> = known.iter().map(|namespace| Arc::clone(&namespace.meta.name)).collect();
        let complete = self.inner.namespaces.is_filled();
        if !complete && let Some((own, _)) = who.service_account() {
            names.insert(own.into());
        }
        (names.into_iter().collect(), complete)
    }

    fn person(&self, who: &Identity) -> Arc<Person> {
        let mut people = self.inner.people.lock();
        if let Some(person) = people.get(who) {
            return Arc::clone(person);
        }
        if people.len() >= PEOPLE {
            people.retain(|_, person| person.decisions.lock().values().any(Decision::holds));
        }
        let person = Arc::new(Person { decisions: Mutex::default(), reviews: Arc::new(Semaphore::new(REVIEWS)) });
        people.insert(who.clone(), Arc::clone(&person));
        person
    }

    /// One decision: remembered, joined while in flight, or asked.
    async fn decide(&self, who: &Identity, person: &Arc<Person>, question: Question) -> Result<bool, GateError> {
        let decision = {
            let mut decisions = person.decisions.lock();
            match decisions.get(&question).filter(|decision| decision.holds()) {
                Some(decision) => decision.clone(),
                None => {
                    if decisions.len() >= DECISIONS {
                        decisions.retain(|_, decision| decision.holds());
                    }
                    let review =
                        review(self.inner.client.clone(), Arc::clone(&person.reviews), who.clone(), question.clone());
                    let decision = Decision { asked: Instant::now(), answer: review.boxed().shared() };
                    decisions.insert(question, decision.clone());
                    decision
                }
            }
        };
        decision.answer.await
    }
}

impl Decision {
    /// Errors are not remembered, answers for [`LIFE`] from when they were asked for.
    fn holds(&self) -> bool {
        !matches!(self.answer.peek(), Some(Err(_))) && self.asked.elapsed() < LIFE
    }
}
