//! Hashed names, compressed copies, and the page that names them.

use crate::module::Module;
use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// What a compressed copy must save to be worth a file.
const WORTH: usize = 64;
/// Where the assets are, from the page.
pub(crate) const FOLDER: &str = "a/";

/// What one asset costs.
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) raw: usize,
    pub(crate) brotli: usize,
    /// Whether every first load fetches it.
    pub(crate) first: bool,
}

/// Writes everything below `dist`: what the page names, and what only the starter names: the reader of
/// kubeconfigs and the other language.
pub(crate) fn write(assets: &Path, dist: &Path, application: &Module, reader: &Module) -> anyhow::Result<Vec<Size>> {
    let mut names = BTreeMap::new();
    let mut sizes = Vec::new();
    let mut put = |slot: &'static str, name: &'static str, content: &[u8], first: bool| -> anyhow::Result<()> {
        let (hashed, brotli) = place(dist, name, content)?;
        sizes.push(Size { name, raw: content.len(), brotli, first });
        names.insert(slot, hashed);
        Ok(())
    };
    // The glue finds its module by the name the starter hands it; its own default would be a name without a hash.
    put("wasm", "frontend.wasm", &application.wasm, true)?;
    put("glue", "frontend.js", application.glue.as_bytes(), true)?;
    put("font", "inter.woff2", &read(&assets.join("fonts/inter.woff2"))?, true)?;
    put("icons", "icons.svg", &read(&assets.join("icons.svg"))?, true)?;
    put("words", "zh.txt", text(&assets.join("zh.txt"))?.as_bytes(), false)?;
    put("reader-wasm", "kubeconfig.wasm", &reader.wasm, false)?;
    put("reader-glue", "kubeconfig.js", reader.glue.as_bytes(), false)?;

    let script = text(&assets.join("start.js"))?;
    // One style sheet: the tokens first.
    let style = text(&assets.join("tokens.css"))? + &text(&assets.join("app.css"))?;
    for (slot, name, content) in [("script", "start.js", script), ("style", "app.css", style)] {
        // What these name are their neighbours.
        let content = filled(&content, &names, "")?;
        let (hashed, brotli) = place(dist, name, content.as_bytes())?;
        sizes.push(Size { name, raw: content.len(), brotli, first: true });
        names.insert(slot, hashed);
    }
    let page = filled(&text(&assets.join("index.html"))?, &names, FOLDER)?;
    std::fs::write(dist.join("index.html"), &page)?;
    sizes.push(Size { name: "index.html", raw: page.len(), brotli: page.len(), first: true });
    Ok(sizes)
}

/// A text with the assets' names, from where they are `folder`, in its slots.
fn filled(text: &str, names: &BTreeMap<&str, String>, folder: &str) -> anyhow::Result<String> {
    let filled = names.iter().fold(text.to_owned(), |text, (slot, name)| {
        text.replace(&format!("{{{{{slot}}}}}"), &format!("{folder}{name}"))
    });
    ensure!(!filled.contains("{{"), "a slot that nothing fills: {filled}");
    Ok(filled)
}

/// Writes one asset under its hashed name and returns that name and the size in brotli.
fn place(dist: &Path, name: &str, content: &[u8]) -> anyhow::Result<(String, usize)> {
    let (stem, extension) = name.rsplit_once('.').context("an asset has an extension")?;
    let hash = Sha256::digest(content).iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let hashed = format!("{stem}.{hash}.{extension}");
    let folder = dist.join(FOLDER);
    std::fs::write(folder.join(&hashed), content)?;
    if extension == "woff2" {
        return Ok((hashed, content.len())); // compressed by its own format
    }
    let brotli = brotli(content)?;
    let gzip = gzip(content)?;
    for (suffix, packed) in [("br", &brotli), ("gz", &gzip)] {
        if packed.len() + WORTH < content.len() {
            std::fs::write(folder.join(format!("{hashed}.{suffix}")), packed)?;
        }
    }
    Ok((hashed, brotli.len().min(content.len())))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn text(path: &Path) -> anyhow::Result<String> {
    String::from_utf8(read(path)?).with_context(|| format!("{} is no text", path.display()))
}

fn brotli(content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, 1 << 16, 11, 24);
    writer.write_all(content)?;
    drop(writer);
    Ok(packed)
}

fn gzip(content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(content)?;
    Ok(writer.finish()?)
}
