//! How is a record written down?
//!
//! As one JSON object, so that a store can be read by a person in need. Its first member, `schema`, is the version: a
//! program reads its own and older ones, and refuses newer ones, since what it does not understand it would lose when
//! it writes the record again. Under the same number nothing is ever added or changed.

use mcphub_routing::{HubId, ResidencyId};
use serde::{Deserialize, Serialize};

use super::offer::{Capabilities, Catalogue, ListDigest, Offer};
use super::{
    Ended, INIT_STORED_MAX, Life, Live, LogLevel, PLACE_MAX, Record, SUBSCRIPTIONS_MAX, Stay, Subscriptions,
    VERSION_MAX,
};
use crate::principal::Fingerprint;
use crate::upstream::{UpstreamId, UpstreamIdBuf};

/// The version of the bytes written.
pub const SCHEMA: u32 = 1;

/// Longest record read, bytes. With every field at its longest and full of control characters, which take six bytes
/// each, ours have 879,714; usual ones have some 400. A NATS server takes messages of 1 MiB.
pub const RECORD_MAX: usize = 1024 * 1024;

/// Bytes that are no record, or not one of ours.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Longer than [`RECORD_MAX`].
    #[error("a session record is longer than {RECORD_MAX} bytes")]
    TooLarge,
    /// Written by a later program: leave it alone.
    #[error("a session record has schema {0}, written by a later version; this one reads up to {SCHEMA}")]
    Newer(u32),
    /// Not the JSON of a record.
    #[error("a session record could not be read")]
    Unreadable(#[source] serde_json::Error),
    /// A field breaks its bounds.
    #[error("a session record has a bad {0}")]
    Field(&'static str),
}

impl Record {
    /// The bytes to keep, or the field that breaks its bounds.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let row = Row::of(self)?;
        let bytes = serde_json::to_vec(&row).map_err(RecordError::Unreadable)?;
        if bytes.len() > RECORD_MAX { Err(RecordError::TooLarge) } else { Ok(bytes) }
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        if bytes.len() > RECORD_MAX {
            return Err(RecordError::TooLarge);
        }
        let Head { schema } = serde_json::from_slice(bytes).map_err(RecordError::Unreadable)?;
        match schema {
            0 => Err(RecordError::Field("schema")),
            SCHEMA => serde_json::from_slice::<Row<'_>>(bytes).map_err(RecordError::Unreadable)?.record(),
            newer => Err(RecordError::Newer(newer)),
        }
    }
}

/// Schema 1.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    schema: u32,
    caller: String,
    expires_at: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    live: Option<LiveRow<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<EndedRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndedRow {
    at: u64,
    why: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LiveRow<'a> {
    stay: u32,
    hub: Cow<'a>,
    upstream: Cow<'a>,
    version: Cow<'a>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    place: Cow<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    residency: Option<Cow<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    level: Option<Cow<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subscriptions: Vec<Cow<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<Box<str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tools: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompts: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resources: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    init: Option<Cow<'a>>,
    last_used: u64,
}

/// Text that is borrowed to be written, and owned when it was read: escapes cannot be borrowed.
type Cow<'a> = std::borrow::Cow<'a, str>;

impl<'a> Row<'a> {
    fn of(record: &'a Record) -> Result<Self, RecordError> {
        let (live, ended) = match &record.life {
            Life::Live(live) => (Some(LiveRow::of(live)?), None),
            Life::Ended { at, why } => (None, Some(EndedRow { at: *at, why: why.as_str().to_owned() })),
        };
        let caller = record.caller.to_string();
        Ok(Self { schema: SCHEMA, caller, expires_at: record.expires_at, live, ended })
    }

    fn record(self) -> Result<Record, RecordError> {
        let caller = Fingerprint::parse(&self.caller).ok_or(RecordError::Field("caller"))?;
        let life = match (self.live, self.ended) {
            (Some(live), None) => Life::Live(Box::new(live.live()?)),
            (None, Some(EndedRow { at, why })) => {
                Life::Ended { at, why: Ended::parse(&why).ok_or(RecordError::Field("end"))? }
            }
            _ => return Err(RecordError::Field("life")),
        };
        Ok(Record { caller, expires_at: self.expires_at, life })
    }
}

impl<'a> LiveRow<'a> {
    fn of(live: &'a Live) -> Result<Self, RecordError> {
        bounded(&live.version, VERSION_MAX, "version")?;
        bounded(&live.place, PLACE_MAX, "place")?;
        if let Some(init) = &live.init {
            bounded(init, INIT_STORED_MAX, "init")?;
        }
        let digest = |digest: Option<ListDigest>| digest.map(|digest| digest.to_string());
        let Offer { capabilities, catalogue } = &live.offer;
        Ok(Self {
            stay: live.stay.number,
            hub: live.stay.hub.as_str().into(),
            upstream: live.stay.upstream.as_id().as_str().into(),
            version: (&*live.version).into(),
            place: (&*live.place).into(),
            residency: live.residency.as_ref().map(|residency| residency.as_str().into()),
            level: live.level.map(|level| level.as_str().into()),
            subscriptions: live.subscriptions.iter().map(Into::into).collect(),
            capabilities: capabilities.as_ref().map(|set| set.iter().map(Into::into).collect()),
            tools: digest(catalogue.tools),
            prompts: digest(catalogue.prompts),
            resources: digest(catalogue.resources),
            init: live.init.as_deref().map(Into::into),
            last_used: live.last_used,
        })
    }

    fn live(self) -> Result<Live, RecordError> {
        use RecordError::Field;
        let upstream = UpstreamId::new(self.upstream.as_bytes()).map_err(|_| Field("upstream"))?;
        let stay = Stay {
            number: self.stay,
            hub: HubId::new(&self.hub).map_err(|_| Field("hub"))?,
            upstream: UpstreamIdBuf::from(upstream),
        };
        let residency = self.residency.as_deref().map(ResidencyId::new).transpose();
        let level = self.level.map(|name| LogLevel::parse(&name).ok_or(Field("level"))).transpose()?;
        let capabilities = self
            .capabilities
            .map(|paths| Capabilities::from_paths(paths).ok_or(Field("capabilities")))
            .transpose()?;
        let catalogue = Catalogue {
            tools: digest(self.tools, "tools")?,
            prompts: digest(self.prompts, "prompts")?,
            resources: digest(self.resources, "resources")?,
        };
        let init = self.init.map(|init| bounded(&init, INIT_STORED_MAX, "init")).transpose()?;
        Ok(Live {
            stay,
            version: bounded(&self.version, VERSION_MAX, "version")?,
            place: bounded(&self.place, PLACE_MAX, "place")?,
            residency: residency.map_err(|_| Field("residency"))?,
            level,
            subscriptions: subscriptions(&self.subscriptions)?,
            offer: Offer { capabilities, catalogue },
            init,
            last_used: self.last_used,
        })
    }
}

fn bounded(text: &str, max: usize, field: &'static str) -> Result<Box<str>, RecordError> {
    if text.len() > max { Err(RecordError::Field(field)) } else { Ok(text.into()) }
}

fn digest(text: Option<String>, field: &'static str) -> Result<Option<ListDigest>, RecordError> {
    let parse = |text: String| {
        let value = u64::from_str_radix(&text, 16).ok()?;
        (text.len() == 16).then_some(ListDigest(value))
    };
    text.map(|text| parse(text).ok_or(RecordError::Field(field))).transpose()
}

fn subscriptions(uris: &[Cow<'_>]) -> Result<Subscriptions, RecordError> {
    let mut subscriptions = Subscriptions::default();
    for uri in uris.iter().take(SUBSCRIPTIONS_MAX + 1) {
        subscriptions.insert(uri).map_err(|_| RecordError::Field("subscriptions"))?;
    }
    Ok(subscriptions)
}
