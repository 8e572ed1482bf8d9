//! The page's address below the application's base.

use super::url;
use leptos::ev;
use leptos::prelude::{WindowListenerHandle, window, window_event_listener};
use wasm_bindgen::JsValue;

/// Path and query, as the browser has them now.
pub(crate) fn address() -> String {
    let whole = window().location().href().unwrap_or_default();
    let below = whole.strip_prefix(&url("")).unwrap_or_default();
    below.split('#').next().unwrap_or_default().to_owned()
}

/// Puts an address below the base into the history.
pub(crate) fn push(address: &str) {
    let Ok(history) = window().history() else { return };
    if history.push_state_with_url(&JsValue::NULL, "", Some(&url(address))).is_err() {
        leptos::logging::warn!("the browser refused the address {address}");
    }
}

/// Calls when a person went back or forward.
pub(crate) fn on_travel(call: impl Fn() + 'static) -> WindowListenerHandle {
    window_event_listener(ev::popstate, move |_| call())
}
