//! The simulator: a server and many clients, the real multiplexers, on virtual time, under faults drawn from a seed; and what must hold whatever happens.
//!
//! `cargo test --release --test simulation` runs two hundred seeds. More of them, and from where:
//!
//! ```sh
//! SOE_SIM_SEEDS=10000 cargo test --release --test simulation
//! SOE_SIM_FROM=10000 SOE_SIM_SEEDS=10000 cargo test --release --test simulation
//! ```
//!
//! A seed that fails is printed with the smallest scenario that still fails in the same way, and this repeats it:
//!
//! ```sh
//! SOE_SIM_SEED=1234 cargo test --release --test simulation -- --nocapture
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `scenario`, `dialect` | what happens, and what is spoken: plain data drawn from a seed |
//! | `world`, `settle` | runs a scenario, and then lets the dust settle |
//! | `turns`, `host` | what a host does and hears |
//! | `talk` | what was said in one conversation |
//! | `checks` | what must hold after every turn, and which endings are right |
//! | `link` | paths and their faults |
//! | `meter` | counts the memory of each multiplexer |
//! | `shrink` | runs, catches panics, makes failures small |
#![allow(unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;

mod checks;
mod dialect;
mod host;
mod link;
mod meter;
mod scenario;
mod settle;
mod shrink;
mod talk;
mod turns;
mod world;

use scenario::{Sabotage, Scenario};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use world::Tally;

/// Failures that are shrunk and shown; of some more only the seed is.
const MOST_SHOWN: usize = 5;
const MOST_LISTED: usize = 50;

/// Steps that are enough to show any sabotage. A full send queue takes the most: it has to be filled.
const FEW_STEPS: usize = 12;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text}, and no number")))
}

#[test]
fn two_hundred_seeds() {
    let one = number("SOE_SIM_SEED");
    let from = one.or(number("SOE_SIM_FROM")).unwrap_or(0);
    // Without optimization they take ten times as long.
    let few = if cfg!(debug_assertions) { 40 } else { 200 };
    let until = from + one.map_or_else(|| number("SOE_SIM_SEEDS").unwrap_or(few), |_| 1);
    let next = AtomicU64::new(from);
    let findings = Mutex::new(vec![]);
    let tallies = Mutex::new(Tally::default());
    let work = || {
        while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < until) {
            let scenario = Scenario::drawn(seed);
            match shrink::run(&scenario) {
                Ok(tally) => tallies.lock().expect("no panics").add(&tally),
                Err(violation) => {
                    let show = findings.lock().expect("no panics").len() < MOST_SHOWN;
                    let text = if show {
                        shrink::report(seed, &violation, &shrink::shrink(&scenario, &violation))
                    } else {
                        format!("seed {seed}: {}, at {} us: {}\n", violation.kind, violation.at, violation.what)
                    };
                    findings.lock().expect("no panics").push(text);
                }
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| _ = scope.spawn(work)));
    println!("{:?}", tallies.into_inner().expect("no panics"));
    let findings = findings.into_inner().expect("no panics");
    findings.iter().take(MOST_LISTED).for_each(|finding| println!("{finding}"));
    assert!(findings.is_empty(), "{} of {} seeds failed", findings.len(), until - from);
}

/// A simulator that finds nothing may be blind. Here it is the harness that does wrong, and each time the right check must see it, and few steps be left.
#[test]
fn what_goes_wrong_is_found_and_made_small() {
    let wrongs = [
        (Sabotage::Flip, "delivery"),
        (Sabotage::Repeat, "delivery"),
        (Sabotage::Swallow, "delivery"),
        (Sabotage::Deafen, "liveness"),
        (Sabotage::Starve, "ending"),
        (Sabotage::Deny, "liveness"),
        (Sabotage::Hoard, "memory"),
        (Sabotage::Panic, "panic"),
    ];
    for (sabotage, kind) in wrongs {
        let failed = (0..200).find_map(|seed| {
            let scenario = Scenario { sabotage: Some(sabotage), ..Scenario::drawn(seed) };
            shrink::run(&scenario).err().filter(|violation| violation.kind == kind).map(|violation| (scenario, violation))
        });
        let Some((scenario, violation)) = failed else { panic!("nobody notices {sabotage:?}") };
        let small = shrink::shrink(&scenario, &violation);
        assert_eq!(small.1.kind, kind);
        assert!(small.0.steps.len() <= FEW_STEPS, "{sabotage:?} takes {}", shrink::report(scenario.seed, &violation, &small));
    }
}

/// The same seed is the same run, or no failure could be looked into.
#[test]
fn a_seed_repeats_itself() {
    for seed in 0..10 {
        let told = |_| format!("{:?}", shrink::run(&Scenario::drawn(seed)));
        let [first, second] = [0, 1].map(told);
        assert_eq!(first, second, "seed {seed}");
    }
}
