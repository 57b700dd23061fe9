//! The four views: what is measured, as a table on the terminal, and two of them as plots.

use crate::contenders::{self, Contender};
use crate::link::Path;
use crate::load::{Burst, Crowded, Load, Pace, Report};
use crate::plot::{Axis, Figure, Panel, Series};
use std::ops::Range;
use std::process::{Command, ExitCode};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Percent.
const LOSSES: [u32; 6] = [0, 1, 2, 5, 10, 15];
const BITS_PER_SECOND: f64 = 20e6;

/// 20 Mbit/s, a round trip of 60 ms, 128 KiB of queue.
fn path(loss: u32) -> Path {
    let loss = f64::from(loss) / 100.0;
    Path { bits_per_second: BITS_PER_SECOND, delay: 30_000, jitter: 0, loss, duplicate: 0.0, queue_bytes: 128.0 * 1024.0 }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The results of `job`, in order. Every core works: virtual time does not notice.
fn in_parallel<T: Send + Sync>(count: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let results: Vec<OnceLock<T>> = (0..count).map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(result) = results.get(index) else { return };
            result.get_or_init(|| job(index));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    results.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// One contender at one loss, with every seed.
struct Cell {
    contender: &'static Contender,
    loss: u32,
    seeds: Range<u64>,
    runs: Vec<Report>,
}

impl Cell {
    /// Seeds with which something was missing at the end, or wrong.
    fn broken(&self) -> Vec<u64> {
        self.seeds.clone().zip(&self.runs).filter(|(_, run)| !run.intact).map(|(seed, _)| seed).collect()
    }

    fn median(&self, of: impl Fn(&Report) -> f64) -> f64 {
        median(self.runs.iter().map(of))
    }

    fn overhead(&self) -> f64 {
        self.median(|run| run.wire_bytes as f64 / run.payload_bytes as f64)
    }

    /// Percent of what the link carries after loss.
    fn share(&self) -> f64 {
        let left = BITS_PER_SECOND * (1.0 - f64::from(self.loss) / 100.0);
        self.median(|run| run.payload_bytes as f64 * 8.0 / run.seconds / left * 100.0)
    }

    fn print(&self, figures: impl FnOnce() -> String) {
        let (loss, name, broken) = (self.loss, self.contender.name, self.broken());
        let outcome =
            if broken.is_empty() { figures() } else { format!("breaks off with {} of {}: {broken:?}", broken.len(), self.runs.len()) };
        println!("{loss:>3} %  {name:<13} {outcome}");
    }
}

fn transfers(contenders: &[&'static Contender], load: &Load, seeds: &Range<u64>, path: impl Fn(u32) -> Path + Sync) -> Vec<Cell> {
    let each = (seeds.end - seeds.start) as usize;
    let cells: Vec<_> = LOSSES.iter().flat_map(|loss| contenders.iter().map(|contender| (*contender, *loss))).collect();
    let mut reports = in_parallel(cells.len() * each, |index| {
        let (contender, loss) = cells[index / each];
        (contender.transfer)(&path(loss), load, seeds.start + (index % each) as u64)
    })
    .into_iter();
    cells
        .into_iter()
        .map(|(contender, loss)| Cell { contender, loss, seeds: seeds.clone(), runs: reports.by_ref().take(each).collect() })
        .collect()
}

/// One line for each contender; it ends before the first loss at which a run was not intact.
fn series(contenders: &[&'static Contender], cells: &[Cell], value: impl Fn(&Cell) -> f64) -> Vec<Series> {
    let line = |contender: &&'static Contender| {
        let cells = cells.iter().filter(|cell| cell.contender.name == contender.name);
        let intact = cells.take_while(|cell| cell.broken().is_empty());
        let points: Vec<_> = intact.map(|cell| (f64::from(cell.loss), value(cell))).collect();
        Series { name: contender.name, style: contender.style, broken: points.len() < LOSSES.len(), points }
    };
    contenders.iter().map(line).collect()
}

fn losses() -> Axis {
    Axis { label: "loss, % of datagrams", unit: "", ticks: LOSSES.map(f64::from).to_vec(), logarithmic: false }
}

fn medians(seeds: &Range<u64>) -> String {
    format!("medians over the seeds {} to {}", seeds.start, seeds.end - 1)
}

fn note(seeds: &Range<u64>) -> String {
    format!("× breaks off: at the next loss, a run ended with a message missing or wrong. Points: {}.", medians(seeds))
}

fn save(name: &str, figure: &Figure) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/plots");
    let file = format!("{folder}/{name}.svg");
    match std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, figure.svg())) {
        Ok(()) => println!("plotted: benches/plots/{name}.svg"),
        Err(error) => eprintln!("{file}: {error}"),
    }
}

/// How fast a large transfer is, as the loss grows.
pub(crate) fn bulk(seeds: Range<u64>, quick: bool) {
    let load = Load { messages: if quick { 1000 } else { 4000 }, size: 1000, pace: Pace::Flat, limit: 120_000_000 };
    let contenders: Vec<_> = contenders::ALL.iter().filter(|contender| contender.work.is_some()).collect();
    let what = format!("{} MB in messages of 1,000 bytes over 20 Mbit/s with a round trip of 60 ms", load.messages / 1000);
    println!("\nbulk: {what}; a tenth of the loss arrives twice; {}\n", medians(&seeds));
    println!("loss   contender     seconds  Mbit/s  share of the capacity left  wire per payload");
    let cells = transfers(&contenders, &load, &seeds, |loss| Path { duplicate: f64::from(loss) / 1000.0, ..path(loss) });
    for cell in &cells {
        cell.print(|| {
            let (seconds, rate) = (cell.median(|run| run.seconds), cell.median(|run| run.payload_bytes as f64 * 8.0 / run.seconds / 1e6));
            format!("{seconds:>7.2}  {rate:>6.2}  {:>24.0} %  {:>16.2}", cell.share(), cell.overhead())
        });
    }
    if quick {
        return;
    }
    let y = Axis {
        label: "goodput, % of the capacity that loss leaves",
        unit: " %",
        ticks: vec![0.0, 20.0, 40.0, 60.0, 80.0, 100.0],
        logarithmic: false,
    };
    let panels = vec![Panel { title: "", series: series(&contenders, &cells, Cell::share) }];
    let (title, subtitle) = ("Goodput over loss: higher is better", what);
    save("goodput", &Figure { title, subtitle, note: note(&seeds), x: losses(), y, more_is_better: true, panels });
}

/// How long a game's small messages take, as the loss grows.
pub(crate) fn game(seeds: Range<u64>, quick: bool) {
    let pace = Pace::Frames { messages: 3, every: 33_333 };
    let load = Load { messages: if quick { 1800 } else { 5400 }, size: 120, pace, limit: 180_000_000 };
    let contenders: Vec<_> = contenders::ALL.iter().collect();
    let what =
        format!("3 messages of 120 bytes, 30 times a second for {} s, in order; the path alone takes 30 to 40 ms", load.messages / 90);
    println!("\ngame: {what} (60 ms round trip, 10 ms jitter); libsoe twice: redundancy 1; {}\n", medians(&seeds));
    println!("loss   contender     median ms   99 % ms  99.9 % ms  wire per payload");
    let cells = transfers(&contenders, &load, &seeds, |loss| Path { jitter: 10_000, ..path(loss) });
    for cell in &cells {
        cell.print(|| {
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| cell.median(|run| run.percentile(share)));
            format!("{p50:>9.1}  {p99:>8.1}  {p999:>9.1}  {:>16.2}", cell.overhead())
        });
    }
    if quick {
        return;
    }
    let panel = |title, share| Panel { title, series: series(&contenders, &cells, |cell| cell.median(|run| run.percentile(share))) };
    let panels = vec![panel("50th percentile", 0.5), panel("99th percentile", 0.99), panel("99.9th percentile", 0.999)];
    let worst = panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points).fold(0.0f64, |worst, (_, y)| worst.max(*y));
    let all = [20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0, 20_000.0, 50_000.0, 100_000.0, 200_000.0];
    let steps = all.iter().position(|tick| *tick >= worst * 1.05).unwrap_or(all.len() - 1);
    let y = Axis { label: "from send to delivery, logarithmic", unit: " ms", ticks: all[..=steps].to_vec(), logarithmic: true };
    let (title, subtitle) = ("Latency over loss: lower is better", what);
    save("latency", &Figure { title, subtitle, note: note(&seeds), x: losses(), y, more_is_better: false, panels });
}

/// What messages cost on one core, both ends together.
pub(crate) fn cpu(quick: bool) {
    let turns = if quick { 3 } else { 5 };
    println!("\ncpu: both ends on one core, in memory, nothing lost; medians of {turns} turns, contenders in turn\n");
    println!("  bytes  contender       messages/s      MB/s  datagrams/message  libsoe is faster by");
    for (size, messages, at_once) in [(4, 400_000, 128), (100, 200_000, 64), (400, 100_000, 64), (20_000, 4_000, 2), (65_536, 1_500, 1)] {
        let burst = Burst { messages: if quick { messages / 10 } else { messages }, size, at_once };
        let field: Vec<_> = contenders::ALL.iter().filter_map(|contender| Some((contender, contender.work?))).collect();
        // Contenders by turn: what slows the machine down for a while slows all of them.
        let mut results: Vec<Vec<_>> = field.iter().map(|_| Vec::new()).collect();
        for _ in 0..turns {
            for ((contender, work), results) in field.iter().zip(&mut results) {
                if contender.longest >= size {
                    results.push(work(&burst));
                }
            }
        }
        let rate = |index: usize, turn: usize| burst.messages as f64 / results[index][turn].seconds;
        for (index, (contender, _)) in field.iter().enumerate() {
            let name = contender.name;
            if contender.longest < size {
                println!("{size:>7}  {name:<13} its messages end at {} bytes", contender.longest);
            } else if let Some(broken) = Some(results[index].iter().filter(|work| !work.intact).count()).filter(|broken| *broken > 0) {
                println!("{size:>7}  {name:<13} breaks off: {broken} of {turns} turns");
            } else {
                let per_second = median((0..turns).map(|turn| rate(index, turn)));
                let datagrams = results[index][0].datagrams as f64 / burst.messages as f64;
                let faster = median((0..turns).map(|turn| rate(0, turn) / rate(index, turn)));
                let megabytes = per_second * size as f64 / 1e6;
                println!("{size:>7}  {name:<13} {per_second:>12.0} {megabytes:>9.1}  {datagrams:>17.3}  {faster:>19.1}");
            }
        }
    }
}

/// How a child process is told to measure a crowd, so that nobody's leftovers colour another's memory.
pub(crate) const CHILD: &str = "--crowd";

/// What idle sessions cost.
pub(crate) fn scale(quick: bool) {
    println!("\nscale: N open sessions, a message each way on each, then nothing to do; a process of its own for each line\n");
    println!("sessions  contender     open    idle tick, µs  bytes per session and side  of these still speak");
    for sessions in if quick { &[1_000, 10_000][..] } else { &[1_000, 10_000, 100_000] } {
        for contender in contenders::ALL.iter().filter(|contender| contender.work.is_some()) {
            print!("{sessions:>8}  {:<13} ", contender.name);
            if *sessions > contender.most {
                println!("a host ends at {} sessions", contender.most);
                continue;
            }
            let child =
                std::env::current_exe().and_then(|me| Command::new(me).args([CHILD, contender.name, &sessions.to_string()]).output());
            match child {
                Ok(output) if output.status.success() => print!("{}", String::from_utf8_lossy(&output.stdout)),
                Ok(output) => println!("failed: {}", String::from_utf8_lossy(&output.stderr).trim()),
                Err(error) => println!("failed: {error}"),
            }
        }
    }
}

/// The child's part.
pub(crate) fn measure_crowd(name: &str, sessions: &str) -> ExitCode {
    let contender = contenders::ALL.iter().find(|contender| contender.name == name);
    let Some((contender, sessions)) = contender.zip(sessions.parse().ok()) else { return ExitCode::from(2) };
    let Crowded { open, idle_seconds, bytes, asked, answered } = (contender.crowd)(sessions);
    let bytes = bytes.map_or("unknown".into(), |bytes| format!("{bytes:.0}"));
    println!("{open:>6}  {:>13.2}  {bytes:>26}  {answered} of {asked}", idle_seconds * 1e6);
    ExitCode::SUCCESS
}
