//! A response's body, read while it comes.

use gloo_net::http::Request;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, ReadableStreamDefaultReader};

/// The chunks of a response; the request ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Chunks {
    reader: ReadableStreamDefaultReader,
    _request: Aborting,
}

#[derive(Debug)]
struct Aborting(AbortController);

// === impl Chunks ===

impl Chunks {
    /// Answered with anything but success, or not at all: `None`.
    pub(crate) async fn open(url: &str, headers: &[(&str, &str)]) -> Option<Self> {
        let aborting = Aborting(AbortController::new().ok()?);
        let request = headers.iter().fold(Request::get(url), |request, (name, value)| request.header(name, value));
        let answer = request.abort_signal(Some(&aborting.0.signal())).send().await.ok()?;
        let body = answer.body().filter(|_| answer.ok())?;
        let reader = ReadableStreamDefaultReader::new(&body).ok()?;
        Some(Self { reader, _request: aborting })
    }

    /// What came next; `None` when that was all.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        let read = JsFuture::from(self.reader.read()).await.ok()?;
        let chunk = js_sys::Reflect::get(&read, &JsValue::from_str("value")).ok()?;
        Some(chunk.dyn_into::<js_sys::Uint8Array>().ok()?.to_vec())
    }
}

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}
