//! flags → config → run → exit code
fn main() {}
