//! One session, as long as it lives on one hub.

use super::{PinCount, seconds};
use crate::clock;
use crate::migrate::Care;
use mcphub_routing::HubId;
use mcphub_session::record::Stay;
use once_cell::race::OnceBox;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

/// A session in one stay. A move begins another entry: what was in flight at the hub that it left goes on being counted
/// with that hub.
///
/// With the counts of its `Arc` and what an allocator adds, an entry takes 64 bytes, and what every request touches comes
/// first: among a hundred thousand sessions, each cache line and each page more is a miss.
#[derive(Debug)]
#[repr(C)]
pub struct Entry {
    /// Whole seconds of [`clock::since_start`].
    pub(super) last_used: AtomicU32,
    pub(super) in_flight: AtomicU32,
    pub(super) pins: Arc<PinCount>,
    /// When what its hub last answered with success was sent, in [`WORKED_UNIT`]s of [`clock::since_start`]; 0: never
    /// that we saw.
    worked: AtomicU32,
    /// When it was opened, seconds since 1970; 0 where nobody has said.
    opened: AtomicU32,
    /// What few sessions have.
    rest: OnceBox<Rest>,
    /// Where its client was at its placement: a number of [`super::places`].
    place: AtomicU16,
}

const _: () = assert!(size_of::<Entry>() <= 40);

/// 2^32 of them are two years. Rounded down, so that a hub is never taken to have worked later than it did.
const WORKED_UNIT: Duration = Duration::from_millis(16);

/// What a session has that has moved, has had an open stream, or was looked after.
#[derive(Debug, Default)]
struct Rest {
    /// Where it lives, if that is not where its token says.
    stay: Option<Stay>,
    /// Its streams, and who looks after it; shared by all its entries.
    care: Arc<Care>,
}

impl Entry {
    pub(super) fn new(pins: Arc<PinCount>, stay: Option<Stay>, now: u32) -> Self {
        let rest = stay.map(|stay| Box::new(Rest { stay: Some(stay), care: Arc::default() }));
        Self::with(pins, rest, now)
    }

    fn with(pins: Arc<PinCount>, rest: Option<Box<Rest>>, now: u32) -> Self {
        Self {
            last_used: AtomicU32::new(now),
            in_flight: AtomicU32::new(0),
            pins,
            worked: AtomicU32::new(0),
            opened: AtomicU32::new(0),
            rest: rest.map_or_else(OnceBox::new, OnceBox::with_value),
            place: AtomicU16::new(0),
        }
    }

    /// The entry that takes the place of `before`: the session lives here from now on.
    pub(super) fn after(before: &Self, pins: Arc<PinCount>, stay: Stay, now: Duration) -> Self {
        let rest = Rest { stay: Some(stay), care: Arc::clone(before.care()) };
        let next = Self::with(pins, Some(Box::new(rest)), seconds(now));
        next.opened.store(before.opened.load(Ordering::Relaxed), Ordering::Relaxed);
        next.place.store(before.place(), Ordering::Relaxed);
        next
    }

    /// The count of its hub's sessions.
    #[must_use]
    pub fn pins(&self) -> &Arc<PinCount> {
        &self.pins
    }

    /// Where it lives; `None`: where its token says.
    #[must_use]
    pub fn stay(&self) -> Option<&Stay> {
        self.rest.get()?.stay.as_ref()
    }

    /// The number of its stay; 0 is the token's.
    #[must_use]
    pub fn stay_number(&self) -> u32 {
        self.stay().map_or(0, |stay| stay.number)
    }

    /// Requests in flight at the hub of this stay; an open GET stream is none.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Its hub has answered with success what was sent to it then, a moment of [`clock::since_start`]. The life of the hub
    /// that answered had begun before it was asked, however late we came to read the answer.
    pub fn note_worked(&self, sent: Duration) {
        let units = sent.as_millis() / WORKED_UNIT.as_millis();
        self.worked.store(u32::try_from(units).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// When its hub last answered it with success; `None`: never that this process saw.
    #[must_use]
    pub fn worked(&self) -> Option<Duration> {
        let units = self.worked.load(Ordering::Relaxed);
        (units > 0).then(|| WORKED_UNIT * units)
    }

    pub(super) fn describe(&self, place: u16, opened_unix: u64) {
        self.opened.store(u32::try_from(opened_unix).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.place.store(place, Ordering::Relaxed);
    }

    pub(super) fn place(&self) -> u16 {
        self.place.load(Ordering::Relaxed)
    }

    /// When it was opened, in seconds since 1970, where somebody has said.
    pub(super) fn opened(&self) -> Option<u64> {
        match self.opened.load(Ordering::Relaxed) {
            0 => None,
            opened => Some(u64::from(opened)),
        }
    }

    /// How long it has not been used.
    pub(super) fn idle(&self, now: u32) -> u64 {
        if self.in_flight() > 0 {
            return 0;
        }
        u64::from(now.saturating_sub(self.last_used.load(Ordering::Relaxed)))
    }

    /// It shall leave its hub before it is used next; to this one if possible. Said again, the last word counts; once it
    /// has moved, for whatever reason, nothing of this is left.
    pub(crate) fn want_away(&self, to: Option<HubId>) {
        self.care().want_away(self.stay_number(), to);
    }

    /// Whether it shall leave its hub.
    #[must_use]
    pub fn is_wanted_away(&self) -> bool {
        self.care_if_any().is_some_and(|care| care.is_wanted_away(self.stay_number()))
    }

    /// Takes the wish that it leave, to see to it: `None` where there is none, or somebody else has taken it.
    pub(crate) fn take_wish(&self) -> Option<Option<HubId>> {
        self.care_if_any()?.take_wish(self.stay_number())
    }

    /// Its streams, and who looks after it.
    pub(crate) fn care(&self) -> &Arc<Care> {
        &self.rest.get_or_init(Box::default).care
    }

    /// Its streams, and who looks after it, if it ever had any.
    pub(crate) fn care_if_any(&self) -> Option<&Arc<Care>> {
        self.rest.get().map(|rest| &rest.care)
    }

    /// Whether it is on its way to another hub, or something else about it needs care: its requests must ask where to go.
    #[must_use]
    pub fn is_tended(&self) -> bool {
        self.care_if_any().is_some_and(|care| care.is_tended())
    }

    /// Whether it is on its way to another hub now.
    pub(crate) fn is_moving(&self) -> bool {
        self.care_if_any().is_some_and(|care| care.is_moving())
    }

    pub(super) fn is_idle(&self, now: u32, idle_age: Duration) -> bool {
        let idle = now.saturating_sub(self.last_used.load(Ordering::Relaxed));
        u64::from(idle) > idle_age.as_secs() && self.in_flight.load(Ordering::Relaxed) == 0
    }
}

/// A request in flight within a session. The session's idle time begins when the last of them is dropped.
#[derive(Debug)]
pub struct Busy(Arc<Entry>);

impl Busy {
    /// Counts a request of this session in.
    #[must_use]
    pub fn new(entry: Arc<Entry>) -> Self {
        if entry.in_flight.fetch_add(1, Ordering::Relaxed) == 0 {
            entry.pins.busy.fetch_add(1, Ordering::Relaxed);
        }
        Self(entry)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.last_used.store(seconds(clock::since_start()), Ordering::Relaxed);
        if self.0.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.pins.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
