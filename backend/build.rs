//! Finds the built frontend, or writes a page in its place which says how to build it.

use std::error::Error;
use std::path::PathBuf;

const MISSING: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><base href="./"><title>Taffrail</title></head>
<body><p>This binary was built without its pages. Run <code>make demo</code> or <code>make release</code>: both build
the frontend first.</p></body></html>
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let home = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("not run by cargo")?);
    let mut dist = home.join("../frontend/dist");
    println!("cargo:rerun-if-changed=build.rs");
    if dist.join("index.html").is_file() {
        println!("cargo:rerun-if-changed={}", dist.display());
    } else {
        // A path that does not exist would make every build a full one; its parent tells when it appears.
        println!("cargo:rerun-if-changed={}", home.join("../frontend").display());
        dist = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("not run by cargo")?).join("dist");
        std::fs::create_dir_all(&dist)?;
        std::fs::write(dist.join("index.html"), MISSING)?;
    }
    println!("cargo:rustc-env=TAFFRAIL_DIST={}", dist.display());
    Ok(())
}
