//! libsoe.so exports what include/soe.h declares, no more and no less, and knows its name.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn output(program: &str, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(program).args(arguments).arg(file).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Cargo makes the library in all its forms before it runs tests: beside this program, which is in target/<profile>/deps.
fn library() -> PathBuf {
    let library = env::current_exe().expect("this program").with_file_name("libsoe.so");
    assert!(library.exists(), "no {}", library.display());
    library
}

fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/include/soe.h")).expect("include/soe.h");
    let declarations = header.split_once("#ifndef SOE_H").expect("an include guard").1;
    let names = declarations.split("*/").filter_map(|after_comment| {
        let declaration = after_comment.split_once(");")?.0;
        let (before, _) = declaration.split_once('(')?;
        before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().filter(|name| name.starts_with("soe_"))
    });
    names.map(str::to_owned).collect()
}

#[test]
fn exports_are_the_declared_functions() {
    let exported = output("nm", &["-D", "--defined-only"], &library());
    let exported: BTreeSet<_> = exported.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect();
    let declared = declared();
    assert!(declared.contains("soe_mux_create") && declared.len() >= 26, "the header is not read: {declared:?}");
    assert_eq!(exported, declared, "exported symbols (left) are not the declared functions (right)");
}

#[test]
fn library_has_a_soname_without_a_version() {
    let dynamic = output("readelf", &["-d"], &library());
    assert!(dynamic.lines().any(|line| line.contains("(SONAME)") && line.contains("[libsoe.so]")), "{dynamic}");
}
