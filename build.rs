//! The shared library's name for itself.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    match std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default().as_str() {
        // Without a version on purpose: people copy the file beside their server.
        "linux" | "android" | "freebsd" | "netbsd" | "openbsd" | "dragonfly" => {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libsoe.so")
        }
        "macos" | "ios" => println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libsoe.dylib"),
        _ => {}
    }
}
