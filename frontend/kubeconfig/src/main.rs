//! The reader as a module of its own, loaded when the first kubeconfig is given; most people give none.
//! Text goes in; what comes out is a postcard, of the types in the library beside this.
#![allow(unreachable_pub, reason = "what the browser calls is exported")]

use wasm_bindgen::prelude::wasm_bindgen;

/// The contexts of a kubeconfig, or why there are none.
#[wasm_bindgen]
pub fn contexts(text: &str) -> Vec<u8> {
    wire::encode(&kubeconfig::contexts(text))
}

/// The token of a ServiceAccount's Secret, when there is one.
#[wasm_bindgen]
pub fn secret(text: &str) -> Vec<u8> {
    wire::encode(&kubeconfig::of_secret(text))
}

/// Nothing to start: everything is called.
const fn main() {}
