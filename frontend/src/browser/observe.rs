//! Tells when an element's size changes.

use leptos::html::ElementType;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{ResizeObserver, ResizeObserverEntry};

/// Width and height of the element's content box, in CSS pixels, now and after every change while the component lives.
pub(crate) fn size<E>(element: NodeRef<E>, then: impl Fn(f64, f64) + Clone + 'static)
where
    E: ElementType,
    E::Output: JsCast + Clone + AsRef<web_sys::Element> + 'static,
{
    let held = StoredValue::new_local(None::<(ResizeObserver, Closure<dyn FnMut(Vec<ResizeObserverEntry>)>)>);
    Effect::new(move |_| {
        let Some(element) = element.get() else { return };
        let then = then.clone();
        let told = Closure::<dyn FnMut(Vec<ResizeObserverEntry>)>::new(move |entries: Vec<ResizeObserverEntry>| {
            if let Some(entry) = entries.last() {
                then(entry.content_rect().width(), entry.content_rect().height());
            }
        });
        // Every browser with WebAssembly has this observer.
        if let Ok(observer) = ResizeObserver::new(told.as_ref().unchecked_ref()) {
            observer.observe(element.as_ref());
            held.set_value(Some((observer, told)));
        }
    });
    on_cleanup(move || {
        held.update_value(|held| {
            if let Some((observer, _)) = held.take() {
                observer.disconnect();
            }
        });
    });
}
