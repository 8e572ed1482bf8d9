//! From a WASM module to what the binary embeds: bindings, shrinking, hashed names, compression → `frontend/dist`.
//!
//! `bundle BUILT ASSETS DIST [WASM_OPT]`: runs on the developer's machine only. `BUILT` is the folder with the modules,
//! as cargo left them. Downloads nothing: the bindings' generator is a library locked by `Cargo.lock`; `wasm-opt` is
//! given by path, or left out for quick development.
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
    let (built, assets, dist, wasm_opt) = match arguments.as_slice() {
        [built, assets, dist] => (built, assets, dist, None),
        [built, assets, dist, wasm_opt] => (built, assets, dist, Some(wasm_opt.as_path())),
        _ => bail!("usage: bundle BUILT ASSETS DIST [WASM_OPT]"),
    };
    // Built beside and moved at the end: a failed run leaves the previous one whole.
    let fresh = dist.with_extension("new");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).with_context(|| format!("removing {}", fresh.display()))?;
    }
    std::fs::create_dir_all(fresh.join(assets::FOLDER))?;

    let application = module::bind(&built.join("frontend.wasm"), wasm_opt)?;
    let reader = module::bind(&built.join("kubeconfig.wasm"), wasm_opt)?;
    let sizes = assets::write(assets, &fresh, &application, &reader)?;
    if dist.exists() {
        std::fs::remove_dir_all(dist)?;
    }
    std::fs::rename(&fresh, dist).with_context(|| format!("moving to {}", dist.display()))?;
    report(dist, &sizes);
    Ok(())
}

fn report(dist: &Path, sizes: &[assets::Size]) {
    for assets::Size { name, raw, brotli, .. } in sizes {
        println!("{name}: {raw} bytes, {brotli} in brotli");
    }
    let total: usize = sizes.iter().filter(|size| size.first).map(|size| size.brotli).sum();
    println!("first load: {total} bytes in brotli; {}", dist.display());
}
