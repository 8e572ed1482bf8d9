//! How a view stands: what its page says while it is not live.

use crate::browser;
use crate::words::{self, text};
use leptos::prelude::*;
use wire::{Say, Server, ViewState};

/// What the server said of a view last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Standing {
    state: Option<ViewState>,
    /// Of a request; the next frame of the view ends it.
    fault: Option<Say>,
}

impl Standing {
    /// Takes a frame of the view. Data says nothing of its state: what is old may still change in part.
    pub(crate) fn hear(&mut self, frame: &Server) {
        match frame {
            Server::State { state, .. } => self.state = Some(state.clone()),
            Server::Revoked { say, .. } => self.state = Some(ViewState::Denied(say.clone())),
            Server::Fault { say, .. } => self.fault = Some(say.clone()),
            _ => self.fault = None,
        }
    }

    /// Whether what is shown may be part of what there is.
    pub(crate) fn loading(&self) -> bool {
        matches!(self.state, Some(ViewState::Loading(_)))
    }

    /// What a page says of it, which shows `what`; nothing while it is live.
    pub(crate) fn sentence(&self, what: &str) -> Option<String> {
        if let Some(fault) = &self.fault {
            return Some(words::say(fault));
        }
        match self.state.as_ref()? {
            ViewState::Live => None,
            ViewState::Loading(read) => {
                Some(words::say(&Say::new("E-LOADING").with("kind", what).with("n", read.to_string())))
            }
            ViewState::Stale(since, why) => {
                let since = format!("{} {}", text!("Not updated since"), browser::clock(*since));
                Some(format!("{since}: {}", words::say(why)))
            }
            ViewState::Denied(why) | ViewState::Failed(why) => Some(words::say(why)),
        }
    }
}

/// The sentence above what is shown.
#[component]
pub(crate) fn Note(standing: RwSignal<Standing>, what: &'static str) -> impl IntoView {
    let sentence = Memo::new(move |_| standing.with(|standing| standing.sentence(what)));
    move || sentence.get().map(|sentence| view! { <div class="note" role="status">{sentence}</div> })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Sub;

    #[test]
    fn only_the_server_says_that_a_view_is_live_again() {
        let mut standing = Standing::default();
        assert_eq!(standing.sentence("pods"), None);
        let sub = Sub(1);
        standing.hear(&Server::State { sub, state: ViewState::Loading(5) });
        standing.hear(&Server::Object { sub, seq: 1, object: None });
        assert!(
            standing
                .sentence("pods")
                .is_some_and(|said| said.contains("Still reading pods") && said.contains("5 so far"))
        );
        standing.hear(&Server::Fault { sub: Some(sub), say: Say::new("SUB_USED") });
        assert!(standing.sentence("pods").is_some_and(|said| said.contains("Reload")));
        standing.hear(&Server::State { sub, state: ViewState::Live });
        standing.hear(&Server::Object { sub, seq: 2, object: None });
        assert_eq!(standing.sentence("pods"), None);
    }
}
