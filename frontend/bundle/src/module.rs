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

/// A module as a browser loads it.
pub(crate) struct Module {
    /// Its JavaScript.
    pub(crate) glue: String,
    pub(crate) wasm: Vec<u8>,
}

/// Makes a module loadable, and small where `wasm_opt` is given.
pub(crate) fn bind(module: &Path, wasm_opt: Option<&Path>) -> anyhow::Result<Module> {
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
    let mut glue = output.js().to_owned();
    shorten(&mut glue, output.wasm_mut().imports.iter_mut().map(|import| &mut import.name));
    let wasm = output.wasm_mut().emit_wasm();
    let wasm = match wasm_opt {
        None => wasm,
        Some(program) => shrink(program, &wasm)?,
    };
    Ok(Module { glue, wasm })
}

/// Shorter names for what the module imports, in both: the generator's end in a hash each, which nothing compresses.
fn shorten<'a>(glue: &mut String, names: impl Iterator<Item = &'a mut String>) {
    for (at, name) in names.enumerate() {
        let defined = format!("{name}: function");
        if glue.matches(&defined).count() == 1 {
            let short = format!("i{at}");
            *glue = glue.replace(&defined, &format!("{short}: function"));
            *name = short;
        }
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

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn a_name_is_shortened_in_both_or_in_neither() {
        let mut glue = "{ a_1f: function(x) {}, b_2f: function() {} }".to_owned();
        let mut names = ["a_1f", "elsewhere", "b_2f"].map(str::to_owned);
        shorten(&mut glue, names.iter_mut());
        assert_eq!(names, ["i0", "elsewhere", "i2"]);
        assert_eq!(glue, "{ i0: function(x) {}, i2: function() {} }");
    }
}
