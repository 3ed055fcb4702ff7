//! How do many sessions live at once, and what have they under way at a hub?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::member::{Member, Station, count};
use super::{Kind, Ledger, Name, Pace, Role};

/// How many sessions are opened at once.
const AT_ONCE: usize = 16;

/// What is under way at one hub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Sessions there.
    pub sessions: usize,
    /// Reads, lists and the like.
    pub safe: usize,
    /// Calls with progress.
    pub progress: usize,
    /// Calls that leave a mark.
    pub act: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Open GET streams.
    pub streams: usize,
}

impl InFlight {
    /// The least of the classes.
    pub fn least(&self) -> usize {
        let Self { sessions: _, safe, progress, act, subscriptions, streams } = *self;
        [safe, progress, act, subscriptions, streams].into_iter().min().unwrap_or_default()
    }
}

impl fmt::Display for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, safe, progress, act, subscriptions, streams } = self;
        write!(
            f,
            "{sessions} sessions; in flight {safe} safe, {progress} with progress, {act} acts; {subscriptions} \
             subscriptions on {streams} streams"
        )
    }
}

/// Sessions of our own client.
#[derive(Debug)]
pub struct Crowd {
    ledger: Arc<Ledger>,
    idle: Vec<Member>,
    stations: BTreeMap<Name, Arc<Station>>,
    living: JoinSet<Member>,
    listening: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Crowd {
    /// Opens so many sessions by the first of these gateways. They ask by all of them in turn.
    pub async fn open(ledger: &Arc<Ledger>, gateways: &[SocketAddr], count: usize) -> anyhow::Result<Self> {
        let (turns, gateways): (_, Arc<[SocketAddr]>) = (Arc::new(Semaphore::new(AT_ONCE)), gateways.into());
        let mut opening = JoinSet::new();
        for number in 0..count {
            let (turns, gateways, ledger) = (turns.clone(), gateways.clone(), ledger.clone());
            opening.spawn(async move {
                let _turn = turns.acquire_owned().await;
                // Clients of networks of their own.
                let from = format!("10.{}.{}.1", number / 256, number % 256);
                Member::open(ledger, format!("raw {number}").into(), &gateways, &from).await
            });
        }
        let mut idle = Vec::new();
        while let Some(opened) = opening.join_next().await {
            idle.push(opened.context("a session is opened")??);
        }
        let stations = idle.iter().map(|member| (member.name.clone(), member.station.clone())).collect();
        let (living, listening, stop) = (JoinSet::new(), JoinSet::new(), watch::Sender::new(false));
        Ok(Self { ledger: ledger.clone(), idle, stations, living, listening, stop })
    }

    /// Gives the roles out, evenly on each hub, lets followers follow, and all begin.
    pub async fn begin(&mut self, pace: Pace) -> anyhow::Result<()> {
        let mut given: BTreeMap<String, usize> = BTreeMap::new();
        let mut following = JoinSet::new();
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        for mut member in std::mem::take(&mut self.idle) {
            let turn = given.entry(member.station.hub()).or_default();
            let role = Role::ALL[*turn % Role::ALL.len()];
            *turn += 1;
            if role == Role::Follower {
                let (turns, stop) = (turns.clone(), self.stop.subscribe());
                following.spawn(async move {
                    let _turn = turns.acquire_owned().await;
                    let listening = member.follow(stop).await.with_context(|| member.name.clone())?;
                    anyhow::Ok((member, listening))
                });
            } else {
                self.spawn(member, role, pace, *turn);
            }
        }
        let mut turn = 0;
        while let Some(followed) = following.join_next().await {
            let (member, listening) = followed.context("a session follows")??;
            self.listening.spawn(listening);
            self.spawn(member, Role::Follower, pace, turn);
            turn += 1;
        }
        Ok(())
    }

    fn spawn(&mut self, member: Member, role: Role, pace: Pace, turn: usize) {
        // Spread over four seconds, however many there are.
        let first = Duration::from_millis((turn as u64 * 617) % 4_000);
        self.living.spawn(member.live(role, pace, first, self.stop.subscribe()));
    }

    /// What is under way at a hub, as far as the clients know where they are.
    pub fn in_flight(&self, hub: &str) -> InFlight {
        let mut found = InFlight::default();
        for station in self.stations.values().filter(|station| station.hub() == hub) {
            found.sessions += 1;
            match station.doing() {
                Some(Kind::Safe) => found.safe += 1,
                Some(Kind::Progress) => found.progress += 1,
                Some(Kind::Act) => found.act += 1,
                None => {}
            }
            found.subscriptions += usize::from(station.follows.load(Ordering::Relaxed));
            found.streams += usize::from(station.streams.load(Ordering::Relaxed));
        }
        found
    }

    /// How many sessions are on each hub, as far as the clients know where they are.
    pub fn by_hub(&self) -> BTreeMap<String, usize> {
        count(self.stations.values().map(|station| station.hub()))
    }

    /// The sessions on one hub.
    pub fn on(&self, hub: &str) -> BTreeSet<Name> {
        let here = self.stations.iter().filter(|(_, station)| station.hub() == hub);
        here.map(|(name, _)| name.clone()).collect()
    }

    /// Lets nobody begin anything new, and what is under way end. Streams are closed; sessions stay open.
    pub async fn rest(&mut self) {
        // What is counted as silence ends here.
        let until = self.ledger.now();
        self.ledger.write().until = until;
        self.stop.send_replace(true);
        while let Some(member) = self.living.join_next().await {
            self.idle.extend(member.ok());
        }
        while self.listening.join_next().await.is_some() {}
        self.stop.send_replace(false);
    }

    /// Asks the same of every resting session, one after the other; the results.
    pub async fn each(&mut self, method: &str, params: &Value) -> Vec<(Name, anyhow::Result<Value>)> {
        let mut answers = Vec::new();
        for member in &mut self.idle {
            answers.push((member.name.clone(), member.own(method, params.clone()).await));
        }
        answers
    }

    /// How many messages of level info get through to each of these resting sessions when a tool writes two.
    pub async fn log_messages(&mut self, of: &BTreeSet<Name>) -> Vec<(Name, anyhow::Result<usize>)> {
        let mut counts = Vec::new();
        for member in self.idle.iter_mut().filter(|member| of.contains(&member.name)) {
            counts.push((member.name.clone(), member.log_messages().await));
        }
        counts
    }

    /// Where the resting sessions live, by each of their gateways: the hub, its boot, and the hub's id of the session.
    pub async fn whereabouts(&mut self) -> Vec<(Name, anyhow::Result<Vec<[String; 3]>>)> {
        let mut found = Vec::new();
        for member in &mut self.idle {
            found.push((member.name.clone(), member.whereabouts().await));
        }
        found
    }

    /// Ends every resting session; the statuses, counted.
    pub async fn end(mut self) -> BTreeMap<String, usize> {
        let mut statuses = Vec::new();
        for member in &mut self.idle {
            let status = member.delete().await;
            statuses.push(status.map_or_else(|error| format!("{error:#}"), |status| status.to_string()));
        }
        count(statuses.into_iter())
    }
}
