//! From a WASM module to what the binary embeds: bindings, shrinking, hashed names, compression → `frontend/dist`.
//!
//! `bundle MODULE.wasm ASSETS DIST [WASM_OPT]`: runs on the developer's machine only. Downloads nothing: the bindings'
//! generator is a library locked by `Cargo.lock`; `wasm-opt` is given by path, or left out for quick development.
//!
//! Every asset is `a/<name>.<hash>.<ext>`, the hash being of its content, with `.br` and `.gz` beside it where that
//! is smaller. `index.html` gets the hashed names put in and stays uncompressed: the API server's proxy answers 500 to
//! HTML in brotli.

mod assets;
mod module;

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (module, assets, dist, wasm_opt) = match arguments.as_slice() {
        [module, assets, dist] => (module, assets, dist, None),
        [module, assets, dist, wasm_opt] => (module, assets, dist, Some(wasm_opt.as_path())),
        _ => bail!("usage: bundle MODULE.wasm ASSETS DIST [WASM_OPT]"),
    };
    // Built beside and moved at the end: a failed run leaves the previous one whole.
    let fresh = dist.with_extension("new");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).with_context(|| format!("removing {}", fresh.display()))?;
    }
    std::fs::create_dir_all(fresh.join("a"))?;

    let (glue, wasm) = module::bind(module, wasm_opt)?;
    let first_load = assets::write(assets, &fresh, &glue, &wasm)?;
    if dist.exists() {
        std::fs::remove_dir_all(dist)?;
    }
    std::fs::rename(&fresh, dist).with_context(|| format!("moving to {}", dist.display()))?;
    report(dist, &first_load);
    Ok(())
}

fn report(dist: &Path, first_load: &[(String, usize, usize)]) {
    let total: usize = first_load.iter().map(|(_, _, brotli)| brotli).sum();
    for (name, raw, brotli) in first_load {
        println!("{name}: {raw} bytes, {brotli} in brotli");
    }
    println!("first load: {total} bytes in brotli; {}", dist.display());
}
