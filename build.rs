//! Tells the linker that Node.js provides the Node-API symbols, and to keep functions of the same machine code once, as that of
//! Windows does anyway.

use std::env;
use std::process::Command;

fn main() {
    napi_build::setup();
    if links_with_lld() {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--icf=all");
    }
}

/// Other linkers than the lld that rustc brings, and takes here since 1.90, may not know what it is asked for.
fn links_with_lld() -> bool {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let version = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output();
    let text = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let minor = text.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    is("TARGET", "x86_64-unknown-linux-gnu")
        && is("HOST", "x86_64-unknown-linux-gnu")
        && env::var_os("RUSTC_LINKER").is_none()
        && minor.is_some_and(|minor| minor >= 90)
}
