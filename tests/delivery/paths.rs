//! Transfers over random paths. Whatever the path, every message arrives once, in order and unchanged, within three times what rate, loss and round trip
//! allow ([`Case::allowed`] says what that is).
//!
//! 1,000 seeds by default. `SOE_SEEDS=12000 cargo test --release --test delivery paths` runs the first twelve thousand, `SOE_SEEDS=17..18` only number 17; with
//! `--nocapture`, a line for each seed where it is a range, and where the worst are otherwise. A failure prints its seed, the path and what came of it.

use crate::cargo::{Cargo, LONGEST, PAYLOAD};
use crate::common::{MS, Random, SECOND, config};
use crate::line::{Bursts, FULL, HEADERS, Line, Route, unit};
use soe::Config;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many times what the path allows a transfer may take.
const FACTOR: f64 = 3.0;
/// Datagrams in the first round trip.
const INITIAL: f64 = 32.0;
/// What a sender believes a peer to hold before it has learned more, and what our receivers hold: datagrams past the cumulative acknowledgement.
const BELIEVED: f64 = 256.0;
const HELD: f64 = 1_024.0;
/// How long a link is gone that vanishes.
const OUTAGE_US: u64 = 10 * SECOND;
/// What may pass after it before the next probe: the longest back-off of one.
const SILENCE_US: f64 = 5e6;
/// A sender waits at least so much longer than a round trip for an acknowledgement: the clock of a host that ticks.
const SLACK_US: f64 = 15_000.0;
/// Bytes of one transfer at most, so that the test is fast.
const MOST_BYTES: f64 = 3e6;

struct Case {
    routes: [Route; 2],
    /// How often each host looks, and when first.
    hosts: [(u64, u64); 2],
    /// What the client sends, what the server sends.
    cargoes: [Option<Cargo>; 2],
}

/// Between `low` and `high`, each order of magnitude as likely as the others.
fn log_uniform(random: &mut Random, low: f64, high: f64) -> f64 {
    low * (high / low).powf(unit(random))
}

impl Case {
    fn new(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let rate = log_uniform(random, 0.1e6, 100e6);
        let round_trip = log_uniform(random, 1e3, 600e3);
        // Up to 20 times slower one way, and with other accidents, where it is asymmetric.
        let asymmetric = random.percent(50);
        let slower = if asymmetric { (rate / log_uniform(random, 1.0, 20.0)).max(0.1e6) } else { rate };
        let rates = if random.percent(50) { [rate, slower] } else { [slower, rate] };
        let share = if asymmetric { 0.2 + 0.6 * unit(random) } else { 0.5 };
        let mut routes = [
            Self::route(random, rates[0], round_trip * share, round_trip),
            Self::route(random, rates[1], round_trip * (1.0 - share), round_trip),
        ];
        if !asymmetric {
            let Route { jitter_us, loss, bursts, duplicates, .. } = routes[0].clone();
            routes[1] = Route { jitter_us, loss, bursts, duplicates, ..routes[1].clone() };
        }
        let hosts = [0, 1].map(|_| {
            let tick_us = MS + random.below(19 * MS + 1);
            (tick_us, random.below(tick_us))
        });
        let mut case = Case { routes, hosts, cargoes: [None, None] };
        let ways = random.below(3);
        let seconds = 2.0 + 8.0 * unit(random);
        let sizes = [(5, 40), (5, 300), (200, 2_000), (PAYLOAD, PAYLOAD), (5, 20_000), (LONGEST, LONGEST)][random.below(6) as usize];
        for side in [0, 1] {
            if ways == 2 || ways == side as u64 {
                let bytes = (case.goodput(side) * seconds).clamp(10e3, MOST_BYTES);
                case.cargoes[side] = Some(Cargo::new(bytes as usize, sizes.0, sizes.1, seed * 2 + side as u64));
            }
        }
        if random.percent(12) {
            let from = random.below((seconds * 1e6) as u64);
            case.routes.iter_mut().for_each(|route| route.outage = from..from + OUTAGE_US);
        }
        case
    }

    fn route(random: &mut Random, rate: f64, delay: f64, round_trip: f64) -> Route {
        let loss = match random.below(4) {
            0 => 0.0,
            1 => 0.3 * unit(random).powi(2),
            _ => 0.3 * unit(random),
        };
        let bursts = (loss > 0.0 && random.percent(30)).then(|| {
            let (bad_us, bad_loss) = (log_uniform(random, 5e3, 200e3), 0.5 + 0.5 * unit(random));
            let share = loss / bad_loss;
            Bursts { good_us: bad_us * (1.0 - share) / share, bad_us, loss: bad_loss }
        });
        Route {
            rate,
            queue: (rate / 8e6 * round_trip * (0.5 + 3.5 * unit(random))).max((20 * FULL) as f64),
            delay_us: delay as u64,
            jitter_us: if random.percent(50) { (delay * unit(random)) as u64 } else { 0 },
            loss: if bursts.is_some() { 0.0 } else { loss },
            bursts,
            duplicates: if random.percent(30) { 0.1 * unit(random) } else { 0.0 },
            outage: 0..0,
        }
    }

    /// A round trip as a sender sees it that keeps the queues empty: delays and half their jitter, the ticks of both hosts, and four datagrams on the line,
    /// without which it would not be busy.
    fn round_trip(&self) -> f64 {
        let ways: f64 = self.routes.iter().map(|route| route.delay_us as f64 + route.jitter_us as f64 / 2.0).sum();
        let ticks: f64 = self.hosts.iter().map(|(tick_us, _)| *tick_us as f64).sum();
        let line: f64 = self.routes.iter().map(|route| 4.0 * FULL as f64 * 8e6 / route.rate).sum();
        ways.max(line) + ticks
    }

    /// What passes before a sender probes: the round trip, and four deviations of what varies in it.
    fn probe(&self) -> f64 {
        let varies: f64 = self.routes.iter().map(|route| route.jitter_us as f64).chain(self.hosts.map(|(tick_us, _)| tick_us as f64)).sum();
        self.round_trip() + varies + SLACK_US
    }

    /// Rounds until the last of `packets` got through that are lost with `loss` each: after k rounds `packets * loss^k` are left.
    fn rounds(packets: f64, loss: f64) -> f64 {
        if loss > 0.0 { packets.max(1.0).ln() / (1.0 / loss).ln() } else { 0.0 }
    }

    /// Microseconds that a datagram of one window takes, where a peer holds no more than [`HELD`] past the first that is missing: as many leave in the time
    /// in which the last of them gets through. While they wait for that one nothing new leaves that could be evidence, so each of its rounds is a probe's.
    fn window_time(&self, side: usize) -> f64 {
        (self.round_trip() + self.probe() * Self::rounds(HELD, self.routes[side].mean_loss())) / HELD
    }

    /// Bytes of payload per second that one direction allows.
    fn goodput(&self, side: usize) -> f64 {
        let route = &self.routes[side];
        let line_time = FULL as f64 * 8e6 / route.rate / (1.0 - route.mean_loss());
        PAYLOAD as f64 * 1e6 / line_time.max(self.window_time(side))
    }

    /// Microseconds that rate, loss and round trip allow: the longer of
    ///
    /// - *serialisation*: payload and overhead at the rate that is left after loss, with the acknowledgements of the other direction (twice five bytes for each
    ///   packet, twice a datagram's overhead for each time that its host looks),
    /// - *the window*: as many datagrams as the peer holds in each time that it takes to get the last of them through,
    ///
    /// and on top
    ///
    /// - *slow start*: from 32 datagrams, doubling each round trip up to what the path holds, one more to begin and one to end, and four to find out that the
    ///   peer holds more than 256 where that matters,
    /// - *the tail*: the last flight takes `ln(n) / ln(1/p)` rounds until its last packet got through; each is a probe's time, and fails where the packet or
    ///   its acknowledgement is lost,
    /// - *bursts*: two of them, at the worst moment.
    fn allowed(&self) -> f64 {
        let round_trip = self.round_trip();
        let mut allowed = 0.0f64;
        for side in [0, 1] {
            let Some(cargo) = &self.cargoes[side] else { continue };
            let (packets, bytes) = cargo.packets();
            let flight = (self.routes[side].rate / 8e6 * round_trip / FULL as f64).clamp(1.0, HELD).min(packets as f64);
            let looks = |side: usize, time: f64| time / self.hosts[side].0 as f64;
            // Of this cargo: its own bytes on this way, those of its acknowledgements on the other; and the other cargo's on both.
            let mut on_line = [0.0f64; 2];
            for (way, cargo) in self.cargoes.iter().enumerate() {
                let Some((packets, bytes)) = cargo.as_ref().map(Cargo::packets) else { continue };
                let overhead = packets * (2 + HEADERS);
                let Route { rate, .. } = self.routes[way];
                let own = (bytes + overhead) as f64 * 8e6 / rate / (1.0 - self.routes[way].mean_loss());
                let said = (packets as f64).min(looks(1 - way, own));
                on_line[way] += own;
                on_line[1 - way] += (packets as f64 * 10.0 + said * 2.0 * (HEADERS + 6) as f64) * 8e6 / self.routes[1 - way].rate;
            }
            let serialisation = on_line[0].max(on_line[1]);
            let window = packets.max(bytes / PAYLOAD as u64) as f64 * self.window_time(side);
            let slow_start = (2.0 + (flight / INITIAL).log2().max(0.0) + if flight > BELIEVED { 4.0 } else { 0.0 }) * round_trip;
            let [there, back] = [side, 1 - side].map(|side| self.routes[side].mean_loss());
            let tail = self.probe() * Self::rounds(flight.max(INITIAL.min(packets as f64)), 1.0 - (1.0 - there) * (1.0 - back));
            let bursts: f64 = self.routes.iter().filter_map(|route| route.bursts).map(|bursts| 2.0 * bursts.bad_us).sum();
            allowed = allowed.max(serialisation.max(window) + slow_start + tail + bursts);
        }
        allowed
    }

    /// The time in which all has to have arrived: [`FACTOR`] times what is allowed, and an outage in full with the silence after it.
    fn bound(&self) -> f64 {
        let outage = if self.routes[0].outage.is_empty() { 0.0 } else { OUTAGE_US as f64 + SILENCE_US };
        FACTOR * self.allowed() + outage
    }

    fn run(mut self, seed: u64) -> Outcome {
        let bound = self.bound();
        let outage = self.routes[0].outage.clone();
        // A host that sends in bulk gives its sessions room for more than two windows.
        let config = |rng_seed| Config { send_queue_bytes: 1 << 20, rng_seed, ..config() };
        for route in &mut self.routes {
            route.outage = 0..0;
        }
        let description = self.to_string();
        let mut line = Line::new(self.routes, [config(seed * 2 + 1), config(seed * 2 + 2)], self.hosts, seed);
        if !line.connect() {
            return Outcome { failure: Some("never connected".into()), ..Outcome::of(seed, description, bound) };
        }
        let begin = line.now;
        for link in &mut line.links {
            link.route.outage = begin + outage.start..begin + outage.end;
        }
        for (side, cargo) in self.cargoes.into_iter().enumerate() {
            if let Some(cargo) = cargo {
                line.carry(side, cargo);
            }
        }
        let done = line.drive(2 * bound as u64 + 10 * SECOND, Line::is_done);
        let took = (line.now - begin) as f64;
        if done {
            // A while longer: nothing may come twice.
            line.drive(2 * SECOND, |_| false);
        }
        let got = || format!("{} and {} messages came", line.ends[1].got, line.ends[0].got);
        let failure = if done {
            if took > bound { Some(format!("took {:.2} s", took / 1e6)) } else { None }
        } else {
            Some(format!("stopped after {:.2} s: {}", took / 1e6, got()))
        };
        let wrong =
            line.ends.iter().find_map(|end| end.wrong.clone().or_else(|| end.ended.map(|ended| format!("ended: {ended:?}, {}", got()))));
        let sent = |side: usize| {
            let stats = line.ends[side].mux.stats();
            (line.links[side].offered, line.links[side].overflowed, stats.retransmissions)
        };
        let sent = [sent(0), sent(1)];
        Outcome { failure: wrong.or(failure), took, sent, ..Outcome::of(seed, description, bound) }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, side) in [("up", 0), ("down", 1)] {
            let Route { rate, queue, delay_us, jitter_us, bursts, duplicates, .. } = &self.routes[side];
            write!(f, "{name}: {:.2} Mbit/s, {:.1} ms", rate / 1e6, *delay_us as f64 / 1e3)?;
            write!(f, " + {:.1}, loss {:.1} %", *jitter_us as f64 / 1e3, 100.0 * self.routes[side].mean_loss())?;
            if let Some(bursts) = bursts {
                write!(f, " in bursts of {:.0} ms", bursts.bad_us / 1e3)?;
            }
            write!(
                f,
                ", {:.0} % twice, queue {:.0}, tick {:.1} ms",
                duplicates * 100.0,
                queue / FULL as f64,
                self.hosts[side].0 as f64 / 1e3
            )?;
            if let Some(cargo) = &self.cargoes[side] {
                write!(f, ", {} bytes in {} messages", cargo.bytes(), cargo.len())?;
            }
            f.write_str("; ")?;
        }
        write!(f, "allowed {:.2} s", self.allowed() / 1e6)?;
        if !self.routes[0].outage.is_empty() {
            write!(f, " and an outage after {:.2} s", self.routes[0].outage.start as f64 / 1e6)?;
        }
        Ok(())
    }
}

struct Outcome {
    seed: u64,
    path: String,
    bound: f64,
    took: f64,
    /// Datagrams, of these overflowed, retransmissions: by the client, by the server.
    sent: [(u64, u64, u64); 2],
    failure: Option<String>,
}

impl Outcome {
    fn of(seed: u64, path: String, bound: f64) -> Self {
        Outcome { seed, path, bound, took: 0.0, sent: [(0, 0, 0); 2], failure: None }
    }

    fn share(&self) -> f64 {
        self.took / self.bound
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { seed, path, bound, took, sent, failure } = self;
        write!(f, "SOE_SEEDS={seed}..{}  {:.2} of {:.2} s", seed + 1, took / 1e6, bound / 1e6)?;
        write!(f, "; datagrams, overflowed, sent again: {:?} {:?}; {path}", sent[0], sent[1])?;
        if let Some(failure) = failure {
            write!(f, "; FAILED: {failure}")?;
        }
        Ok(())
    }
}

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SOE_SEEDS") else { return 0..1000 };
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("SOE_SEEDS={text}: a count, or a range such as 17..18"));
    match text.split_once("..") {
        Some((from, until)) => number(from)..number(until),
        None => 0..number(&text),
    }
}

#[test]
fn every_message_arrives_once_in_order_and_in_time_on_any_path() {
    let seeds = seeds();
    let (next, outcomes) = (AtomicU64::new(seeds.start), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(8) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    let outcome = catch_unwind(AssertUnwindSafe(|| Case::new(seed).run(seed))).unwrap_or_else(|_| {
                        let case = Case::new(seed);
                        Outcome { failure: Some("it panicked".into()), ..Outcome::of(seed, case.to_string(), case.bound()) }
                    });
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by(|a, b| b.share().total_cmp(&a.share()));
    if std::env::var("SOE_SEEDS").is_ok_and(|text| text.contains("..")) {
        outcomes.iter().for_each(|outcome| println!("{outcome}"));
    } else if let Some(worst) = outcomes.first() {
        let percentile = |percent: usize| outcomes[(outcomes.len() - 1) * (100 - percent) / 100].share();
        let [half, most] = [50, 95].map(percentile);
        println!("share of the bound: half below {half:.2}, 95 % below {most:.2}, the worst {:.2} is {worst}", worst.share());
    }
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.failure.is_some()).collect();
    for outcome in &failed {
        eprintln!("{outcome}");
    }
    assert!(
        failed.is_empty(),
        "{} of {} paths failed: seeds {:?}",
        failed.len(),
        outcomes.len(),
        failed.iter().map(|o| o.seed).collect::<Vec<_>>()
    );
}
