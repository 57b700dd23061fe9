//! include/soe.h is what cbindgen makes of src/ffi, compiles everywhere, and documents every function.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> String {
    fs::read_to_string(root().join("include/soe.h")).expect("include/soe.h")
}

/// In this order, which is the order of the functions in the header.
const SOURCES: [&str; 9] = ["config", "mux", "session", "cipher", "event", "datagram", "address", "stats", "status"];

#[test]
fn header_is_what_cbindgen_makes() {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml");
    let builder = SOURCES
        .iter()
        .fold(cbindgen::Builder::new().with_config(config), |builder, name| builder.with_src(root().join(format!("src/ffi/{name}.rs"))));
    let mut made = Vec::new();
    builder.generate().expect("cbindgen").write(&mut made);
    let path = root().join("include/soe.h");
    if env::var_os("SOE_BLESS").is_some() {
        fs::write(&path, &made).expect("include/soe.h");
    }
    let same = fs::read(&path).is_ok_and(|checked_in| checked_in == made);
    assert!(same, "include/soe.h differs from what cbindgen makes of src/ffi: SOE_BLESS=1 cargo test --test header");
}

#[test]
fn every_function_says_what_it_returns_and_since_when() {
    let header = header();
    let declarations = header.split_once("#ifndef SOE_H").expect("an include guard").1;
    let mut functions = 0;
    for (end, _) in declarations.match_indices(");\n") {
        let declaration = &declarations[declarations[..end].rfind("\n\n").expect("a blank line before each declaration")..end];
        let (comment, function) = declaration.split_once("*/\n").unwrap_or_else(|| panic!("no comment: {declaration}"));
        assert!(comment.contains("\n * Returns "), "does not say what it returns: {function}");
        assert!(comment.contains("\n * Since 0."), "does not say since when: {function}");
        functions += 1;
    }
    assert!(functions >= 26, "only {functions} functions found");
}

#[test]
fn index_names_every_function() {
    let header = header();
    let (top, declarations) = header.split_once("#ifndef SOE_H").expect("an include guard");
    let index = top.split_once("* Functions\n").expect("an index").1;
    let indexed: Vec<_> =
        index.split(|c: char| !(c.is_ascii_lowercase() || c == '_' || c == '2')).filter(|w| w.starts_with("soe_")).collect();
    for name in &indexed {
        assert!(declarations.contains(&format!("{name}(")), "not declared: {name}");
    }
    assert_eq!(indexed.len(), declarations.matches(");\n").count(), "a function is missing in the index, or there twice");
}

/// Runs a compiler on a file that includes the header, and returns what it wrote.
fn compile(compiler: &str, arguments: &[&str]) -> String {
    static SERIAL: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let serial = SERIAL.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let source = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("includes_soe_h_{serial}.c"));
    fs::write(&source, "#include \"soe.h\"\n#include \"soe.h\"\n").expect("a temporary file");
    let output = Command::new(compiler)
        .args(arguments)
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
        .arg(root().join("include"))
        .arg(&source)
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    assert!(output.status.success(), "{compiler}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn compiles_as_c_and_cpp() {
    compile("cc", &["-std=c99", "-fsyntax-only"]);
    compile("cc", &["-std=c11", "-fsyntax-only"]);
    compile("c++", &["-std=c++11", "-fsyntax-only", "-x", "c++"]);
    compile("c++", &["-std=c++20", "-fsyntax-only", "-x", "c++"]);
}

/// What is left for cffi and LuaJIT, which have no preprocessor and read plain C only.
#[test]
fn survives_preprocessing() {
    let mut ours = String::new();
    let mut in_ours = false;
    for line in compile("cc", &["-std=c99", "-E"]).lines() {
        match line.strip_prefix("# ") {
            Some(marker) => in_ours = marker.contains("/soe.h\""),
            None if in_ours => ours += &format!("{line}\n"),
            None => {}
        }
    }
    for name in ["soe_mux_create(", "soe_abi_version(", "SOE_ERR_POISONED = -129", "SOE_ABI_VERSION = ", "SOE_EVENT_REBOUND = 6"] {
        assert!(ours.contains(name), "lost in preprocessing: {name}");
    }
    for alien in ["__", "extern", "#", "bool", "_Bool", "union", "inline", "static"] {
        assert!(!ours.contains(alien), "{alien} is left after preprocessing:\n{ours}");
    }
    // No sized enum either, and no bit-field: both have a colon.
    let plain = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "_*,;(){}[]=-".contains(c);
    assert!(ours.chars().all(plain), "unusual characters are left after preprocessing: {ours}");
}
