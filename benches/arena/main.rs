//! libsoe beside the libraries that a game could use instead, under the same load in one run: see benches/README.md.

mod contenders;
mod link;
mod load;
mod plot;
mod views;

use std::process::ExitCode;

const USAGE: &str = "cargo bench --bench arena -- [bulk] [game] [cpu] [scale] [--seed N] [--seeds K] [--quick]

  bulk, game, cpu, scale  the views to run; none named: all
  --seed N                the first seed of bulk and game (1)
  --seeds K               how many; the figures are medians over them (9; quick: 3)
  --quick                 less of everything, for a first look; writes no plots";

const VIEWS: [&str; 4] = ["bulk", "game", "cpu", "scale"];

/// What the command line asked for.
struct Options {
    views: Vec<String>,
    seeds: std::ops::Range<u64>,
    quick: bool,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let (mut views, mut first, mut count, mut quick) = (Vec::new(), 1, None, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seed" => first = arguments.next()?.parse().ok()?,
            "--seeds" => count = Some(arguments.next()?.parse().ok().filter(|count| *count > 0)?),
            "--quick" => quick = true,
            "--bench" => {} // cargo's own
            view if VIEWS.contains(&view) => views.push(argument),
            _ => return None,
        }
    }
    Some(Options { views, seeds: first..first + count.unwrap_or(if quick { 3 } else { 9 }), quick })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name, sessions] = &arguments[..]
        && flag == views::CHILD
    {
        return views::measure_crowd(name, sessions);
    }
    let Some(options) = parse(arguments.into_iter()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    for view in VIEWS {
        if !options.views.is_empty() && !options.views.iter().any(|wanted| wanted == view) {
            continue;
        }
        match view {
            "bulk" => views::bulk(options.seeds.clone(), options.quick),
            "game" => views::game(options.seeds.clone(), options.quick),
            "cpu" => views::cpu(options.quick),
            _ => views::scale(options.quick),
        }
    }
    ExitCode::SUCCESS
}
