//! Which figures lie in the runs of one case?

use crate::case::Case;
use crate::load::Run;
use crate::page::Spread;
use crate::peers::PEERS;
use crate::rounds::Series;

/// Answers per CPU second of the proxy; `None` without a proxy.
pub(super) fn per_cpu(run: &Run) -> Option<f64> {
    (run.proxy_cpu > 0.0 && run.answers > 0).then(|| run.answers as f64 / run.proxy_cpu)
}

/// Microseconds of the proxy's CPU per answer.
pub(super) fn cost(run: &Run) -> Option<f64> {
    per_cpu(run).map(|rate| 1e6 / rate)
}

pub(super) fn place(name: &str) -> Option<usize> {
    PEERS.iter().position(|peer| peer.name == name)
}

impl Series {
    pub(super) fn good(&self, at: usize) -> impl Iterator<Item = &Run> {
        self.runs.get(&at).into_iter().flatten().flatten()
    }

    pub(super) fn spread(&self, at: usize, figure: impl Fn(&Run) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.good(at).filter_map(figure))
    }

    /// Two peers' figures put together within each round: what disturbs a round disturbs both.
    fn in_rounds(&self, at: usize, base: &str, put: impl Fn(&Run, &Run) -> Option<f64>) -> Option<Spread> {
        in_rounds(self.runs.get(&at)?, self.runs.get(&place(base)?)?, put)
    }

    /// The ratio of one peer's rates per CPU second in this case and another, whose rounds alternated with these.
    pub(super) fn times(&self, other: &Self, at: usize) -> Option<Spread> {
        in_rounds(self.runs.get(&at)?, other.runs.get(&at)?, |run, base| Some(per_cpu(run)? / per_cpu(base)?))
    }

    /// The ratio of two peers' rates per CPU second.
    #[must_use]
    pub fn paired(&self, at: usize, base: &str) -> Option<Spread> {
        self.in_rounds(at, base, |run, base| Some(per_cpu(run)? / per_cpu(base)?))
    }

    /// The difference of two peers' latencies, in microseconds.
    pub(super) fn added(&self, at: usize, base: &str, figure: impl Fn(&Run) -> u64) -> Option<Spread> {
        self.in_rounds(at, base, |run, base| Some(figure(run) as f64 - figure(base) as f64))
    }

    /// Errors of all peers, and why runs were given up.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let counted = self.runs.iter().flat_map(|(at, runs)| {
            runs.iter().flatten().filter(|run| run.errors > 0).map(|run| {
                let first = run.first_error.as_deref().unwrap_or("unknown");
                format!(
                    "{}, {}: {} errors, the first: {first}",
                    self.case.title(),
                    PEERS[*at].name,
                    run.errors
                )
            })
        });
        counted.chain(self.failures.iter().cloned()).collect()
    }
}

fn in_rounds(
    runs: &[Option<Run>],
    base: &[Option<Run>],
    put: impl Fn(&Run, &Run) -> Option<f64>,
) -> Option<Spread> {
    Spread::of(runs.iter().zip(base).filter_map(|(run, base)| put(run.as_ref()?, base.as_ref()?)))
}

/// The series with many connections, which is the one that is judged.
pub(super) fn main_series(all: &[Series], case: Case, usual: usize) -> Option<&Series> {
    all.iter().find(|series| series.case == case && series.connections == case.connections(usual))
}
