//! The simulator: a server and many clients, the real multiplexers, on virtual time, under faults drawn from a seed; and what must hold whatever happens.
mod checks;
mod dialect;
mod host;
mod link;
mod meter;
mod scenario;
mod settle;
mod talk;
mod turns;
mod world;

#[path = "../common/mod.rs"]
mod common;

use scenario::Scenario;
use world::World;

#[test]
fn two_hundred_seeds() {
    let read = |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let from = read("SOE_SIM_FROM", 0);
    let count = read("SOE_SIM_SEEDS", 200);
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    let begin = std::time::Instant::now();
    let mut sum = [0usize; 5];
    for seed in from..from + count {
        let s = Scenario::drawn(seed);
        let r = std::panic::catch_unwind(|| World::new(&s).run());
        match r {
            Ok(Ok(t)) => {
                sum[0] += t.talks;
                sum[1] += t.delivered;
                sum[2] += t.datagrams;
                sum[3] += t.rebound;
                sum[4] = sum[4].max(t.fullest);
            }
            Ok(Err(v)) => {
                let n = kinds.entry(v.kind.into()).or_default();
                *n += 1;
                if *n <= 3 {
                    println!("seed {seed}: {} at {} us: {}", v.kind, v.at, v.what);
                    if count == 1 { println!("{s:#?}") }
                }
            }
            Err(_) => {
                println!("seed {seed} panicked");
                *kinds.entry("panic".into()).or_default() += 1;
            }
        }
    }
    println!("{kinds:?} {sum:?} {:?}", begin.elapsed());
}
