//! Hashed names, compressed copies, and the page that names them.

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// What a compressed copy must save to be worth a file.
const WORTH: usize = 64;

/// Writes everything below `dist`; returns name, size and brotli size of what the first load fetches.
pub(crate) fn write(
    assets: &Path,
    dist: &Path,
    glue: &str,
    wasm: &[u8],
) -> anyhow::Result<Vec<(String, usize, usize)>> {
    let mut names = BTreeMap::new();
    let mut sizes = Vec::new();
    let mut put = |slot: &str, name: &str, content: &[u8]| -> anyhow::Result<()> {
        let (hashed, brotli) = place(dist, name, content)?;
        sizes.push((name.to_owned(), content.len(), brotli));
        names.insert(slot.to_owned(), hashed);
        Ok(())
    };
    // The glue finds its module by the name the starter hands it; its own default would be a name without a hash.
    put("wasm", "frontend.wasm", wasm)?;
    put("glue", "frontend.js", glue.as_bytes())?;
    put("script", "start.js", &read(&assets.join("start.js"))?)?;
    put("font", "inter.woff2", &read(&assets.join("fonts/inter.woff2"))?)?;
    put("icons", "icons.svg", &read(&assets.join("icons.svg"))?)?;

    // One style sheet: the tokens first. Inside `a/` the font is a neighbour.
    let mut style = String::from_utf8(read(&assets.join("tokens.css"))?)?;
    style.push_str(&String::from_utf8(read(&assets.join("app.css"))?)?);
    let font = names.get("font").context("the font has a name")?.replace("a/", "");
    let style = style.replace("{{font}}", &font);
    let (hashed, brotli) = place(dist, "app.css", style.as_bytes())?;
    sizes.push(("app.css".to_owned(), style.len(), brotli));
    names.insert("style".to_owned(), hashed);

    let mut page = String::from_utf8(read(&assets.join("index.html"))?)?;
    for (slot, name) in &names {
        page = page.replace(&format!("{{{{{slot}}}}}"), name);
    }
    ensure!(!page.contains("{{"), "index.html names a slot that nothing fills");
    std::fs::write(dist.join("index.html"), &page)?;
    sizes.push(("index.html".to_owned(), page.len(), page.len()));
    Ok(sizes)
}

/// Writes one asset under its hashed name and returns that name, relative to the page, and the size in brotli.
fn place(dist: &Path, name: &str, content: &[u8]) -> anyhow::Result<(String, usize)> {
    let (stem, extension) = name.rsplit_once('.').context("an asset has an extension")?;
    let hash = Sha256::digest(content).iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let hashed = format!("a/{stem}.{hash}.{extension}");
    std::fs::write(dist.join(&hashed), content)?;
    if extension == "woff2" {
        return Ok((hashed, content.len())); // compressed by its own format
    }
    let brotli = brotli(content)?;
    let gzip = gzip(content)?;
    for (suffix, packed) in [("br", &brotli), ("gz", &gzip)] {
        if packed.len() + WORTH < content.len() {
            std::fs::write(dist.join(format!("{hashed}.{suffix}")), packed)?;
        }
    }
    Ok((hashed, brotli.len().min(content.len())))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
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
