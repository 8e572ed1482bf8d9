//! Taffrail in the browser.
#![allow(unreachable_pub, reason = "the component macro writes `pub` for what a component expands to")]

mod app;
mod browser;
mod format;
mod link;
mod nav;
mod pages;
mod parts;
mod session;
mod state;
mod token;
mod words;

fn main() {
    words::choose(browser::words());
    browser::set_root("lang", if words::chinese() { "zh-Hans" } else { "en" });
    if let Some(root) = browser::root() {
        leptos::mount::mount_to(root, app::App).forget();
    }
}
