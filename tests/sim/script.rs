//! What happens in a run? A text that can be read, pasted into a file, and run again.
//!
//! ```text
//! seed 17                     the dice of everything that the script does not say
//! algorithm geographic        or round-robin, least-connections, health-based
//! set floor 1                 also max_out, dwell, slow_start, ejection, ejection_max, drain (milliseconds, per mille)
//! rule eu                     clients in this location must be served in it
//! clients 20                  requests a second, at the beginning
//! hub h1 eu primary both      name, location, type, eras; `later`: not before it is added
//! 3250 h1 crash               at 3.250 s, h1 refuses connections from now on
//! ```
//!
//! Of a hub: `crash`, `hang`, `cut` (packets vanish), `slow TIMES`, `errors PER_MILLE`, `loss PER_MILLE`, `probes pass`
//! (whatever requests come to), `probes silent`, `probes denied`, `mend` (all of these); `drain MS`, `out`, `undrain`,
//! `weight PER_MILLE`, `forecast PER_MILLE`; `add`, `remove`. Besides: `pause MS` (the control task is late), `freeze MS`
//! (the whole gateway is), `clients N`. After the last event all faults end, and everything must come back.

use std::fmt;

use mcphub_routing::{Algorithm, EraSet, HubType};

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub seed: u64,
    pub algorithm: Algorithm,
    pub settings: Vec<(String, u64)>,
    pub rules: Vec<String>,
    pub clients: u64,
    pub hubs: Vec<HubLine>,
    /// In the order of their times.
    pub events: Vec<Event>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubLine {
    pub name: String,
    pub location: String,
    pub kind: HubType,
    pub eras: EraSet,
    pub later: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Milliseconds from the beginning.
    pub at: u64,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The position of the hub in [`Script::hubs`].
    Hub(usize, Happening),
    Pause(u64),
    Freeze(u64),
    Clients(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    Crash,
    Hang,
    Cut,
    Slow(u32),
    Errors(u16),
    Loss(u16),
    Probes(Probing),
    Mend,
    Drain(u64),
    Out,
    Undrain,
    Weight(u16),
    Forecast(u16),
    Add,
    Remove,
}

/// Do probes find out what requests find out?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Probing {
    #[default]
    Honest,
    /// They pass whatever requests come to.
    Pass,
    /// They are never answered.
    Silent,
    /// They are answered with an error.
    Denied,
}

const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::Geographic, Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::HealthBased];
const TYPES: [HubType; 3] = [HubType::Primary, HubType::Secondary, HubType::Edge];
const ERAS: [(&str, EraSet); 3] =
    [("both", EraSet::BOTH), ("legacy", EraSet::LEGACY), ("modern", EraSet::MODERN)];

impl Script {
    /// Reads a script.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self {
            seed: 0,
            algorithm: Algorithm::Geographic,
            settings: vec![],
            rules: vec![],
            clients: 10,
            hubs: vec![],
            events: vec![],
        };
        for (line, number) in text.lines().zip(1..) {
            let words: Vec<_> = line.split('#').next().unwrap_or("").split_whitespace().collect();
            script.line(&words).ok_or_else(|| format!("line {number} is not understood: {line}"))?;
        }
        script.events.sort_by_key(|event| event.at);
        if script.hubs.iter().all(|hub| hub.later) { Err("no hub".into()) } else { Ok(script) }
    }

    fn line(&mut self, words: &[&str]) -> Option<()> {
        match *words {
            [] => {}
            ["seed", seed] => self.seed = seed.parse().ok()?,
            ["algorithm", word] => self.algorithm = ALGORITHMS.into_iter().find(|a| a.as_str() == word)?,
            ["set", field, value] => self.settings.push((field.to_owned(), value.parse().ok()?)),
            ["rule", location] => self.rules.push(location.to_owned()),
            ["clients", count] => self.clients = count.parse().ok()?,
            ["hub", name, location, kind, eras, ref rest @ ..] => self.hubs.push(HubLine {
                name: name.to_owned(),
                location: location.to_owned(),
                kind: TYPES.into_iter().find(|t| t.as_str() == kind)?,
                eras: ERAS.into_iter().find(|(word, _)| *word == eras)?.1,
                later: *rest == ["later"],
            }),
            [at, ref what @ ..] => {
                let what = self.what(what)?;
                self.events.push(Event { at: at.parse().ok()?, what });
            }
        }
        Some(())
    }

    fn what(&self, words: &[&str]) -> Option<What> {
        Some(match *words {
            ["pause", millis] => What::Pause(millis.parse().ok()?),
            ["freeze", millis] => What::Freeze(millis.parse().ok()?),
            ["clients", count] => What::Clients(count.parse().ok()?),
            [name, ref words @ ..] => {
                What::Hub(self.hubs.iter().position(|hub| hub.name == name)?, Happening::parse(words)?)
            }
            [] => return None,
        })
    }
}

impl Happening {
    fn parse(words: &[&str]) -> Option<Self> {
        Some(match *words {
            ["crash"] => Self::Crash,
            ["hang"] => Self::Hang,
            ["cut"] => Self::Cut,
            ["slow", times] => Self::Slow(times.parse().ok()?),
            ["errors", share] => Self::Errors(share.parse().ok()?),
            ["loss", share] => Self::Loss(share.parse().ok()?),
            ["probes", "pass"] => Self::Probes(Probing::Pass),
            ["probes", "silent"] => Self::Probes(Probing::Silent),
            ["probes", "denied"] => Self::Probes(Probing::Denied),
            ["mend"] => Self::Mend,
            ["drain", millis] => Self::Drain(millis.parse().ok()?),
            ["out"] => Self::Out,
            ["undrain"] => Self::Undrain,
            ["weight", share] => Self::Weight(share.parse().ok().filter(|&share| share <= 1000)?),
            ["forecast", share] => Self::Forecast(share.parse().ok().filter(|&share| share <= 1000)?),
            ["add"] => Self::Add,
            ["remove"] => Self::Remove,
            _ => return None,
        })
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash => f.write_str("crash"),
            Self::Hang => f.write_str("hang"),
            Self::Cut => f.write_str("cut"),
            Self::Slow(times) => write!(f, "slow {times}"),
            Self::Errors(share) => write!(f, "errors {share}"),
            Self::Loss(share) => write!(f, "loss {share}"),
            Self::Probes(Probing::Honest | Probing::Pass) => f.write_str("probes pass"),
            Self::Probes(Probing::Silent) => f.write_str("probes silent"),
            Self::Probes(Probing::Denied) => f.write_str("probes denied"),
            Self::Mend => f.write_str("mend"),
            Self::Drain(millis) => write!(f, "drain {millis}"),
            Self::Out => f.write_str("out"),
            Self::Undrain => f.write_str("undrain"),
            Self::Weight(share) => write!(f, "weight {share}"),
            Self::Forecast(share) => write!(f, "forecast {share}"),
            Self::Add => f.write_str("add"),
            Self::Remove => f.write_str("remove"),
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}\nalgorithm {}", self.seed, self.algorithm)?;
        for (field, value) in &self.settings {
            writeln!(f, "set {field} {value}")?;
        }
        for location in &self.rules {
            writeln!(f, "rule {location}")?;
        }
        writeln!(f, "clients {}", self.clients)?;
        for hub in &self.hubs {
            let eras = ERAS.iter().find(|(_, eras)| *eras == hub.eras).map_or("both", |(word, _)| word);
            let later = if hub.later { " later" } else { "" };
            writeln!(f, "hub {} {} {} {eras}{later}", hub.name, hub.location, hub.kind)?;
        }
        for Event { at, what } in &self.events {
            match what {
                What::Hub(hub, happening) => writeln!(f, "{at} {} {happening}", self.hubs[*hub].name)?,
                What::Pause(millis) => writeln!(f, "{at} pause {millis}")?,
                What::Freeze(millis) => writeln!(f, "{at} freeze {millis}")?,
                What::Clients(count) => writeln!(f, "{at} clients {count}")?,
            }
        }
        Ok(())
    }
}
