//! The edge to the browser: everything that names `web_sys`, apart from the socket. No `JsValue` leaves it.

mod address;
pub(crate) mod canvas;
mod fetch;
pub(crate) mod observe;
pub(crate) mod plot;
mod reader;

pub(crate) use address::{address, on_travel, push};
pub(crate) use fetch::Chunks;
pub(crate) use reader::{Unread, read};

use wasm_bindgen::prelude::*;
use wire::Millis;

/// The browser's clock.
pub(crate) fn now() -> Millis {
    js_sys::Date::now() as Millis
}

/// `[0, 1)`, for jitter.
pub(crate) fn random() -> f64 {
    js_sys::Math::random()
}

/// An address below the application's base.
pub(crate) fn url(relative: &str) -> String {
    let base = leptos::prelude::document().base_uri().ok().flatten().unwrap_or_default();
    let root = base.split(['?', '#']).next().unwrap_or_default();
    let root = root.rfind('/').map_or(root, |end| root.get(..=end).unwrap_or(root));
    format!("{root}{relative}")
}

/// Whether the page came over https.
pub(crate) fn secure() -> bool {
    url("").starts_with("https:")
}

/// Whether the page came from this machine.
pub(crate) fn local() -> bool {
    let host = leptos::prelude::window().location().hostname().unwrap_or_default();
    host == "localhost" || host.starts_with("127.") || host == "[::1]" || host.ends_with(".localhost")
}

/// `host:port` of the page.
pub(crate) fn host() -> String {
    leptos::prelude::window().location().host().unwrap_or_default()
}

/// Namespace and Service that the page came through, read from its address; placeholders where that does not tell.
pub(crate) fn service() -> (String, String) {
    let location = leptos::prelude::window().location();
    let (host, path) = (location.hostname().unwrap_or_default(), location.pathname().unwrap_or_default());
    crate::nav::service_of(&host, &path).unwrap_or_else(|| ("<namespace>".to_owned(), "<service>".to_owned()))
}

pub(crate) fn narrow() -> bool {
    size().0 <= 700.0
}

/// Inner width and height of the window in CSS pixels.
pub(crate) fn size() -> (f64, f64) {
    let window = leptos::prelude::window();
    let number = |value: Result<JsValue, JsValue>| value.ok().and_then(|value| value.as_f64()).unwrap_or(1024.0);
    (number(window.inner_width()), number(window.inner_height()))
}

/// Width and height of a canvas as it is shown.
pub(crate) fn room(canvas: &web_sys::HtmlCanvasElement) -> (f64, f64) {
    (f64::from(canvas.client_width()), f64::from(canvas.client_height()))
}

/// Keeps a setting where the browser allows it; a browser that does not starts with defaults next time.
pub(crate) fn store(name: &str, value: &str) {
    if let Ok(Some(storage)) = leptos::prelude::window().local_storage()
        && storage.set_item(name, value).is_err()
    {
        leptos::logging::warn!("{name} could not be kept: the browser's storage is full or off");
    }
}

/// Whether this tab keeps a mark of this name. Storage that is switched off keeps none.
pub(crate) fn kept(name: &str) -> bool {
    let storage = leptos::prelude::window().session_storage().ok().flatten();
    storage.is_some_and(|storage| storage.get_item(name).is_ok_and(|mark| mark.is_some()))
}

/// Keeps a mark until the tab is closed, or drops it. Where the browser allows none, the next page finds out again.
pub(crate) fn keep(name: &str, on: bool) {
    if let Ok(Some(storage)) = leptos::prelude::window().session_storage() {
        let _ = if on { storage.set_item(name, "1") } else { storage.remove_item(name) };
    }
}

/// `dark` or `light`.
pub(crate) fn theme() -> String {
    root_attribute("data-theme").unwrap_or_else(|| "dark".to_owned())
}

pub(crate) fn set_theme(theme: &str) {
    set_root("data-theme", theme);
    store("theme", theme);
}

fn root_attribute(name: &str) -> Option<String> {
    leptos::prelude::document().document_element()?.get_attribute(name)
}

pub(crate) fn set_root(name: &str, value: &str) {
    if let Some(root) = leptos::prelude::document().document_element() {
        // Only an invalid attribute name is refused, and ours are constants.
        let _ = root.set_attribute(name, value);
    }
}

pub(crate) fn set_title(title: &str) {
    leptos::prelude::document().set_title(title);
}

pub(crate) fn reload() {
    if leptos::prelude::window().location().reload().is_err() {
        leptos::logging::warn!("the browser refused to reload");
    }
}

#[wasm_bindgen]
extern "C" {
    /// Set by the starter for who reads Chinese.
    #[wasm_bindgen(thread_local_v2, js_name = words)]
    static WORDS: Option<String>;
}

/// The texts of the person's language; `None` for English.
pub(crate) fn words() -> Option<String> {
    WORDS.with(Clone::clone).filter(|words| !words.is_empty())
}

/// Gives the focus to the element with this id, when it is there.
pub(crate) fn focus(id: &str) {
    if let Some(element) = leptos::prelude::document().get_element_by_id(id)
        && let Ok(element) = element.dyn_into::<web_sys::HtmlElement>()
    {
        let _ = element.focus();
    }
}

/// Whether what was acted on lies within an element that this selector finds.
pub(crate) fn within(event: &web_sys::Event, selector: &str) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    target.is_some_and(|element| element.closest(selector).ok().flatten().is_some())
}

/// Whether the focus is within an element that this selector finds, or nowhere.
pub(crate) fn focused(selector: &str) -> bool {
    let Some(element) = leptos::prelude::document().active_element() else { return true };
    element.tag_name() == "BODY" || element.closest(selector).ok().flatten().is_some()
}

/// Scroll position and height of an event's element.
pub(crate) fn scrolled(event: &web_sys::Event) -> Option<(f64, f64)> {
    let element: web_sys::Element = event.target()?.dyn_into().ok()?;
    Some((f64::from(element.scroll_top()), f64::from(element.client_height())))
}

/// The address below the application's base that a plain click on a link asks for; `None` for every other click.
pub(crate) fn followed(event: &web_sys::MouseEvent) -> Option<String> {
    let plain = event.button() == 0 && !event.ctrl_key() && !event.meta_key() && !event.shift_key() && !event.alt_key();
    let element: web_sys::Element = event.target()?.dyn_into().ok()?;
    let link: web_sys::HtmlAnchorElement = element.closest("a[href]").ok()??.dyn_into().ok()?;
    let address = link.href();
    let inside = address.strip_prefix(&url(""))?;
    (plain && !inside.starts_with('#')).then(|| inside.to_owned())
}

/// Removes the static shell, to make room for the application.
pub(crate) fn root() -> Option<web_sys::HtmlElement> {
    let root: web_sys::HtmlElement = leptos::prelude::document().get_element_by_id("app")?.dyn_into().ok()?;
    root.replace_children_with_node_0();
    let _ = root.remove_attribute("aria-busy");
    root.set_class_name("");
    Some(root)
}

/// Text of the file that was chosen or dropped; `None` when there is none.
pub(crate) async fn text_of(file: web_sys::File) -> Option<String> {
    if file.size() > 1_048_576.0 {
        return Some("x".repeat(1_048_577));
    }
    wasm_bindgen_futures::JsFuture::from(file.text()).await.ok()?.as_string()
}

pub(crate) fn chosen(event: &web_sys::Event) -> Option<web_sys::File> {
    let input: web_sys::HtmlInputElement = event.target()?.dyn_into().ok()?;
    input.files()?.get(0)
}

pub(crate) fn dropped(event: &web_sys::DragEvent) -> Option<web_sys::File> {
    event.data_transfer()?.files()?.get(0)
}

/// A time on the person's clock.
pub(crate) fn clock(at: Millis) -> String {
    let date = js_sys::Date::new(&JsValue::from_f64(at as f64));
    format!("{:02}:{:02}:{:02}", date.get_hours(), date.get_minutes(), date.get_seconds())
}

/// Waits.
pub(crate) async fn wait(millis: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let set = leptos::prelude::window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, millis);
        if set.is_err() {
            leptos::logging::warn!("the browser refused a timer");
        }
    });
    // A timer's promise is never rejected.
    let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
}

/// Scrolls a list so that a row of the given height is in view.
pub(crate) fn scroll_row(id: &str, row: f64, height: f64) {
    let Some(list) = leptos::prelude::document().get_element_by_id(id) else { return };
    let (top, tall) = (f64::from(list.scroll_top()), f64::from(list.client_height()) - 30.0);
    if row * height < top {
        list.set_scroll_top((row * height) as i32);
    } else if (row + 1.0) * height > top + tall {
        list.set_scroll_top(((row + 1.0) * height - tall) as i32);
    }
}
