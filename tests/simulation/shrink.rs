//! Makes a scenario that fails smaller, as long as it fails in the same way.

use crate::scenario::{Act, Faults, Scenario, Step};
use crate::world::{Tally, Violation, World};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// What the last panic of a run said; `None` outside of runs.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics in a run are findings, and told as such; all others are told as usual.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let in_run = PANIC.with_borrow_mut(|panic| panic.as_mut().map(|panic| *panic = info.to_string()).is_some());
            if !in_run {
                usual(info);
            }
        }));
    });
}

/// Runs a scenario to its end, or to what should not have happened.
pub fn run(scenario: &Scenario) -> Result<Tally, Violation> {
    keep_panics();
    PANIC.set(Some(String::new()));
    let outcome = catch_unwind(AssertUnwindSafe(|| World::new(scenario).run()));
    let said = PANIC.take().unwrap_or_default();
    outcome.unwrap_or(Err(Violation { kind: "panic", at: 0, what: said }))
}

/// Scenarios that are tried at most.
const PATIENCE: usize = 3_000;

struct Shrinker {
    best: Scenario,
    violation: Violation,
    tries: usize,
}

impl Shrinker {
    /// Takes a smaller scenario if it fails like the one before.
    fn take(&mut self, smaller: Scenario) -> bool {
        if self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        match run(&smaller) {
            Err(violation) if violation.kind == self.violation.kind => {
                (self.best, self.violation) = (smaller, violation);
                true
            }
            _ => false,
        }
    }

    /// Leaves out halves, quarters, and so on down to single elements of a list.
    fn thin<T: Clone>(&mut self, list: impl Fn(&mut Scenario) -> &mut Vec<T>) {
        let mut size = list(&mut self.best).len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < list(&mut self.best).len() {
                let mut smaller = self.best.clone();
                let elements = list(&mut smaller);
                elements.drain(at..(at + size).min(elements.len()));
                if !self.take(smaller) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// Makes single steps simpler.
    fn simplify(&mut self) {
        for at in 0..self.best.steps.len() {
            for act in simpler(&self.best.steps[at].act) {
                let mut smaller = self.best.clone();
                smaller.steps[at].act = act;
                self.take(smaller);
            }
        }
    }
}

/// A scenario that fails in the same way, with little left to leave out.
pub fn shrink(scenario: &Scenario, violation: &Violation) -> (Scenario, Violation) {
    let mut shrinker = Shrinker { best: scenario.clone(), violation: violation.clone(), tries: PATIENCE };
    loop {
        let before = format!("{:?}", shrinker.best);
        shrinker.thin(|scenario| &mut scenario.steps);
        shrinker.thin(|scenario| &mut scenario.dialect.twists);
        shrinker.simplify();
        let mut plain = shrinker.best.clone();
        plain.dialect.preset = soe::Preset::Default;
        shrinker.take(plain);
        if shrinker.tries == 0 || before == format!("{:?}", shrinker.best) {
            return (shrinker.best, shrinker.violation);
        }
    }
}

/// What a step may be instead of what it is.
fn simpler(act: &Act) -> Vec<Act> {
    match *act {
        Act::Send { client, up, channel, len, count } => [(1, 1), (len, 1), (len.min(10), count), (len / 2, count), (len, count / 2)]
            .into_iter()
            .filter(|smaller| *smaller != (len, count) && smaller.0 > 0 && smaller.1 > 0)
            .map(|(len, count)| Act::Send { client, up, channel, len, count })
            .collect(),
        Act::Faults { client, up, lasting, faults } => {
            let without = [
                Faults { loss: 0, ..faults },
                Faults { burst: 0, ..faults },
                Faults { duplicate: 0, ..faults },
                Faults { corrupt: 0, ..faults },
                Faults { truncate: 0, ..faults },
                Faults { jitter: 0, ..faults },
                Faults { delay: 0, ..faults },
            ];
            without.into_iter().filter(|simpler| *simpler != faults).map(|faults| Act::Faults { client, up, lasting, faults }).collect()
        }
        Act::Forge { to, face, kind, count } if count > 1 => {
            [1, count / 2].into_iter().map(|count| Act::Forge { to, face, kind, count }).collect()
        }
        _ => vec![],
    }
}

/// What failed, and how to see it again.
pub fn report(seed: u64, violation: &Violation, (scenario, smaller): &(Scenario, Violation)) -> String {
    let mut text = format!("seed {seed}: {}, at {} us: {}\n", violation.kind, violation.at, violation.what);
    text += &format!("again: SOE_SIM_SEED={seed} cargo test --release --test simulation -- --nocapture\n");
    text += &format!("shrunk to {} steps, {:?}, delays {:?} us\n", scenario.steps.len(), scenario.dialect, scenario.delays);
    for Step { at, act } in &scenario.steps {
        text += &format!("  {at:>9} us  {act:?}\n");
    }
    text + &format!("  {}, at {} us: {}\n", smaller.kind, smaller.at, smaller.what)
}
