//! The reader of kubeconfigs: a module of its own, loaded by the starter when it is first called.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The starter's: loads the reader where it is not there yet, and calls one of its functions.
    #[wasm_bindgen(js_name = kubeconfig, catch)]
    async fn call(function: &str, text: &str) -> Result<JsValue, JsValue>;
}

/// The reader could not be loaded, or is another version's.
#[derive(Debug)]
pub(crate) struct Unread;

/// What the reader's `function` makes of a text.
///
/// # Errors
/// [`Unread`]; the next call loads it again.
pub(crate) async fn read<T: serde::de::DeserializeOwned>(function: &str, text: &str) -> Result<T, Unread> {
    let answer = call(function, text).await.map_err(|_| Unread)?;
    wire::decode(&js_sys::Uint8Array::from(answer).to_vec()).map_err(|wire::Malformed| Unread)
}
