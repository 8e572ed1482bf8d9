//! The bindings between the module and the browser, and the module made small.

use anyhow::{Context as _, ensure};
use std::path::Path;
use std::process::Command;
use wasm_bindgen_cli_support::Bindgen;

/// What `wasm-opt` must know of the features rustc's module uses; without them it refuses the module.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// The glue's JavaScript and the module's bytes.
pub(crate) fn bind(module: &Path, wasm_opt: Option<&Path>) -> anyhow::Result<(String, Vec<u8>)> {
    let mut output = Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(false)
        .remove_producers_section(true)
        .remove_name_section(wasm_opt.is_some())
        .generate_output()
        .with_context(|| format!("making bindings for {}", module.display()))?;
    ensure!(
        output.snippets().values().all(Vec::is_empty) && output.local_modules().is_empty(),
        "the module imports JavaScript of its own: every first load would pay for it; use the starter's global instead"
    );
    let glue = output.js().to_owned();
    let wasm = output.wasm_mut().emit_wasm();
    match wasm_opt {
        None => Ok((glue, wasm)),
        Some(program) => Ok((glue, shrink(program, &wasm)?)),
    }
}

fn shrink(program: &Path, wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    let folder = std::env::temp_dir().join(format!("taffrail-bundle-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (before, after) = (folder.join("in.wasm"), folder.join("out.wasm"));
    std::fs::write(&before, wasm)?;
    let status = Command::new(program)
        .arg("-Oz")
        .args(FEATURES)
        .arg("-o")
        .arg(&after)
        .arg(&before)
        .status()
        .with_context(|| format!("running {}", program.display()))?;
    ensure!(status.success(), "{} ended with {status}", program.display());
    let small = std::fs::read(&after)?;
    std::fs::remove_dir_all(&folder)?;
    Ok(small)
}
