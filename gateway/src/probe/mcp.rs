//! The MCP probe: which questions, in which order, and what is remembered between two probes.

use super::Finding;
use super::judge::{self, Page, Verdict};
use super::letters::Letters;
use crate::upstream::hear::{self, Heard};
use crate::upstream::{Hangup, Link, Reach};
use mcphub_conf::settings::{HealthSettings, HubSettings};
use mcphub_health::{BootId, Outcome};
use mcphub_routing::{Era, EraSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most bytes read of an answer.
const ANSWER_MAX: usize = 64 * 1024;
/// Most bytes read of an answer whose size is not ours to say: a page of tools, the result of a canary call. Large
/// catalogues have 80 kB.
const RESULT_MAX: usize = 1024 * 1024;
/// Most pages of tools searched.
const PAGES_MAX: usize = 32;
/// Longest wait for a connection to take its end.
pub(super) const PARTING: Duration = Duration::from_millis(50);
/// After so many probes a hub that learns eras is asked again whether it serves the legacy one: once a minute at the
/// usual interval.
const LEGACY_EVERY: u32 = 30;

#[derive(Debug)]
pub(super) struct McpProbe {
    letters: Letters,
    expect_tool: Option<String>,
    /// The eras as configured.
    given: Option<EraSet>,
    memory: Mutex<Memory>,
    patience: Duration,
}

/// What earlier probes have learned of a hub whose eras are not given.
#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    modern: bool,
    legacy: Option<bool>,
    /// Probes since it last told whether it serves the legacy era.
    since: u32,
}

/// One probe on its way.
struct Call<'a> {
    reach: &'a Reach,
    address: SocketAddr,
    connecting: Duration,
    patience: Duration,
    link: Option<Link>,
    boot: Option<BootId>,
}

/// How a question came to no answer.
enum Silence {
    NoConnection(io::Error),
    Hangup(Hangup),
}

impl McpProbe {
    pub(super) fn new(hub: &HubSettings, health: &HealthSettings) -> Self {
        Self {
            letters: Letters::new(&hub.url, health.canary.as_ref()),
            expect_tool: health.expect_tool.clone(),
            given: hub.eras,
            memory: Mutex::default(),
            patience: health.timeout,
        }
    }

    /// Looks at the hub at this address; `Err` where it takes no connection within `connecting`.
    pub(super) async fn look_at(
        &self,
        reach: &Reach,
        address: SocketAddr,
        connecting: Duration,
    ) -> Result<Finding, Finding> {
        let patience = self.patience;
        let mut call = Call { reach, address, connecting, patience, link: None, boot: None };
        let finding = match self.ask(&mut call).await {
            Ok(verdict) => self.conclude(verdict),
            Err(Silence::NoConnection(error)) => return Err(super::no_connection(&error)),
            Err(Silence::Hangup(hangup)) => super::hung_up(&hangup),
        };
        if let Some(mut link) = call.link {
            // All has been read: a proper end, as far as it takes no time.
            let _ = tokio::time::timeout(PARTING, link.wire.shut()).await;
        }
        Ok(Finding { boot: call.boot, ..finding })
    }

    async fn ask(&self, call: &mut Call<'_>) -> Result<Verdict, Silence> {
        if self.given == Some(EraSet::LEGACY) {
            return Ok(judge::ping(&call.ask(&self.letters.ping, ANSWER_MAX).await?));
        }
        let memory = *self.memory();
        let in_session = self.given.is_none() && !memory.modern;
        let letter = if in_session { &self.letters.discover_or_refuse } else { &self.letters.discover };
        let mut verdict = judge::discover(&call.ask(letter, ANSWER_MAX).await?, in_session);
        if verdict.outcome != Outcome::Ok || verdict.modern != Some(true) || verdict.why.is_some() {
            return Ok(verdict);
        }
        if self.given.is_none() && verdict.legacy.is_none() {
            verdict.legacy = self.legacy(call, memory).await;
        }
        if let Some(tool) = &self.expect_tool
            && let Some(flaw) = self.look_for(tool, call).await?
        {
            return Ok(Verdict { modern: verdict.modern, legacy: verdict.legacy, ..flaw });
        }
        if let Some(letter) = &self.letters.canary {
            let sung = judge::canary(&call.ask(letter, RESULT_MAX).await?);
            return Ok(Verdict { modern: verdict.modern, legacy: verdict.legacy, ..sung });
        }
        Ok(verdict)
    }

    /// Whether a modern hub serves the legacy era too, asked now and then. No answer to this speaks against the hub:
    /// its clients may never ask.
    async fn legacy(&self, call: &mut Call<'_>, memory: Memory) -> Option<bool> {
        if memory.legacy.is_some() && memory.since < LEGACY_EVERY {
            return memory.legacy;
        }
        let patience = self.patience / 2;
        let heard = tokio::time::timeout(patience, call.ask(&self.letters.ping, ANSWER_MAX)).await;
        let told = heard.ok().and_then(Result::ok).and_then(|heard| judge::ping(&heard).legacy);
        self.memory().since = 0;
        told.or(memory.legacy)
    }

    /// What is wrong, if the tool is not to be found.
    async fn look_for(&self, tool: &str, call: &mut Call<'_>) -> Result<Option<Verdict>, Silence> {
        let mut letter = self.letters.tools(None);
        for _ in 0..PAGES_MAX {
            let heard = call.ask(&letter, RESULT_MAX).await?;
            letter = match judge::tools(&heard, tool) {
                Page::Found => return Ok(None),
                Page::End(verdict) => return Ok(Some(verdict)),
                Page::More(cursor) => self.letters.tools(Some(cursor)),
            };
        }
        Ok(Some(judge::endless_tools()))
    }

    fn conclude(&self, verdict: Verdict) -> Finding {
        let Verdict { outcome, modern, legacy, mut why } = verdict;
        let told = modern.is_some() || legacy.is_some();
        if self.given.is_none() && told {
            let mut memory = self.memory();
            memory.modern = modern.unwrap_or(memory.modern);
            memory.legacy = legacy.or(memory.legacy);
            // A refusal of the legacy era's kind has just told.
            memory.since = if memory.modern { memory.since.saturating_add(1) } else { 0 };
        }
        let memory = *self.memory();
        let assumed = |era| match (self.given, era) {
            (Some(given), era) => given.contains(era),
            (None, Era::Modern) => memory.modern,
            (None, Era::Legacy) => memory.legacy == Some(true),
        };
        let mut eras = EraSet::NONE;
        for (era, told) in [(Era::Modern, modern), (Era::Legacy, legacy)] {
            if told.unwrap_or_else(|| assumed(era)) {
                eras = eras.with(era);
            }
        }
        // More than is configured is the operator's choice; less is a mistake.
        let lacking = |given: EraSet| {
            [Era::Modern, Era::Legacy].iter().any(|&era| given.contains(era) && !eras.contains(era))
        };
        if let Some(given) = self.given.filter(|given| told && lacking(*given)) {
            let (finds, given) = (words(eras), words(given));
            why.get_or_insert_with(|| format!("serves {finds}, and is configured to serve {given}"));
        }
        Finding { outcome, eras: told.then_some(eras), boot: None, why }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn words(eras: EraSet) -> &'static str {
    match (eras.contains(Era::Legacy), eras.contains(Era::Modern)) {
        (true, true) => "both eras",
        (true, false) => "the legacy era",
        (false, true) => "the modern era",
        (false, false) => "no era",
    }
}

impl Call<'_> {
    /// Asks on the connection of the question before, or on a new one.
    async fn ask(&mut self, letter: &[u8], most: usize) -> Result<Heard, Silence> {
        if let Some(link) = self.link.take() {
            match hear::ask(link, letter, most, self.patience).await {
                // It may have been closed after the answer before, which says nothing of the hub.
                Err(Hangup::Lost(_)) => {}
                asked => return self.keep(asked),
            }
        }
        let wire = self.reach.connect_to(self.address, self.connecting);
        let wire = tokio::time::timeout(self.connecting, wire).await;
        let wire = wire.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let link = Link::fresh(wire.map_err(Silence::NoConnection)?);
        self.keep(hear::ask(link, letter, most, self.patience).await)
    }

    fn keep(&mut self, asked: Result<(Heard, Option<Link>), Hangup>) -> Result<Heard, Silence> {
        let (heard, link) = asked.map_err(Silence::Hangup)?;
        self.boot = self.boot.or(heard.boot);
        self.link = link;
        Ok(heard)
    }
}
