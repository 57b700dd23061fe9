//! The pages in docs/: what they show compiles, and what they point at is there.

use soe::{Config, Preset};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(root().join("docs")).expect("docs/").map(|file| file.unwrap().path());
    let pages: Vec<_> = files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    assert_eq!(pages.len(), Preset::ALL.len(), "the index, and a page for each title");
    pages
}

#[test]
fn the_c_on_every_page_compiles() {
    for (path, page) in pages() {
        let code: String = page.split("```c\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
        assert!(!code.is_empty() || path.ends_with("README.md"), "{} shows no code", path.display());
        let file = env::temp_dir().join(format!("soe_docs_{}_{}.c", std::process::id(), path.file_stem().unwrap().display()));
        fs::write(&file, code).unwrap();
        let cc = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let out = Command::new(cc)
            .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
            .arg(root().join("include"))
            .arg(&file)
            .output()
            .expect("a C compiler");
        fs::remove_file(&file).unwrap();
        assert!(out.status.success(), "{}:\n{}", path.display(), String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn every_link_leads_somewhere() {
    let readme = (root().join("README.md"), fs::read_to_string(root().join("README.md")).unwrap());
    for (path, page) in pages().into_iter().chain([readme]) {
        for target in page.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
            let there = target.is_empty() || target.contains("://") || path.parent().unwrap().join(target).exists();
            assert!(there, "{} points at {target}", path.display());
        }
    }
}

/// What the tables of the pages say of numbers is what the presets set: those that a host would copy.
#[test]
fn the_tables_say_what_the_presets_set() {
    for (preset, page) in [
        (Preset::PlanetSide2, "planetside2"),
        (Preset::H1Z1, "h1z1"),
        (Preset::Landmark, "landmark"),
        (Preset::FreeRealms, "free-realms"),
        (Preset::StarWarsGalaxies, "star-wars-galaxies"),
        (Preset::EverQuest, "everquest"),
        (Preset::EverQuest2, "everquest2"),
        (Preset::PlanetSide, "planetside"),
    ] {
        let (config, plain) = (Config::preset(preset), Config::default());
        let text = fs::read_to_string(root().join("docs").join(page).with_extension("md")).unwrap();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        let grouped = |value: u32| {
            let digits = value.to_string();
            let split = digits.len().saturating_sub(3);
            if split == 0 { digits } else { format!("{},{}", &digits[..split], &digits[split..]) }
        };
        for (knob, value, usual) in [
            ("udp_length", config.udp_length, 0),
            ("crc_length", config.crc_length.into(), 0x100),
            ("heartbeat_ms", config.heartbeat_ms, plain.heartbeat_ms),
            ("inactivity_timeout_ms", config.inactivity_timeout_ms, plain.inactivity_timeout_ms),
            ("unacknowledged_timeout_ms", config.unacknowledged_timeout_ms, plain.unacknowledged_timeout_ms),
            ("net_status_ms", config.net_status_ms, plain.net_status_ms),
            ("send_window", config.send_window, plain.send_window),
        ] {
            let row = rows.iter().find(|row| row.split(" | ").next().unwrap().contains(&format!("`{knob}`")));
            let says = row.is_some_and(|row| row.contains(&grouped(value)) || row.contains(&value.to_string()));
            assert!(says || (row.is_none() && value == usual), "{page}: {knob} is {value}: {row:?}");
        }
    }
}
