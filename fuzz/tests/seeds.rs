//! The seeds, and what fuzzers found, once each.

use std::fs;
use std::path::Path;

#[test]
fn every_seed_is_replayed() {
    for (target, run) in soe_fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
        let mut seeds: Vec<_> = fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
        assert!(!seeds.is_empty(), "{target} has none");
        seeds.sort();
        for seed in seeds {
            println!("{}", seed.display());
            run(&fs::read(&seed).expect("bytes"));
        }
    }
}
