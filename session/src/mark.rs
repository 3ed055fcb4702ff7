//! *From which stay does this come?* The part of an id that a client or a hub is given, and brings back later.

use std::fmt;

use ring::digest;

use crate::record::Stay;

/// The name of one stay of a session, short enough for every id: its number, and 32 bits of a hash of the hub and its
/// session id, since numbers begin anew where a record was lost. It is no secret and protects nothing: whoever brings
/// it back has shown the session's id already.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark {
    stay: u32,
    tag: u32,
}

impl Mark {
    /// Of this stay.
    #[must_use]
    pub fn of(stay: &Stay) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(stay.hub.as_str().as_bytes());
        // No hub's name has this character.
        hash.update(b"\n");
        hash.update(stay.upstream.as_id().as_str().as_bytes());
        let digest = hash.finish();
        let mut tag = [0; 4];
        tag.copy_from_slice(&digest.as_ref()[..4]);
        Self { stay: stay.number, tag: u32::from_be_bytes(tag) }
    }

    /// The mark of no stay that a session can have.
    #[must_use]
    pub fn none() -> Self {
        Self { stay: u32::MAX, tag: 0 }
    }

    /// Reads what `Display` wrote, and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, tag) = text.split_once('-')?;
        let mark = Self { stay: number.parse().ok()?, tag: u32::from_str_radix(tag, 16).ok()? };
        (mark.to_string() == text).then_some(mark)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:08x}", self.stay, self.tag)
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mark({self})")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::upstream::UpstreamId;
    use mcphub_routing::HubId;

    pub(crate) fn stay(number: u32, hub: &str, upstream: &str) -> Stay {
        let upstream = UpstreamId::new(upstream.as_bytes()).unwrap().into();
        Stay { number, hub: HubId::new(hub).unwrap(), upstream }
    }

    /// It stands in ids that clients hold for hours: it must not change.
    #[test]
    fn marks_are_fixed_and_tell_stays_apart() {
        let mark = Mark::of(&stay(3, "eu-1", "abc"));
        assert_eq!(mark.to_string(), "3-86f9f0e9");
        assert_eq!(Mark::parse("3-86f9f0e9"), Some(mark));
        for other in [stay(4, "eu-1", "abc"), stay(3, "eu-2", "abc"), stay(3, "eu-1", "abd")] {
            assert_ne!(Mark::of(&other), mark);
        }
        for bad in
            ["", "3", "3-", "03-86f9f0e9", "+3-86f9f0e9", "3-86F9F0E9", "3-86f9f0e9 ", "4294967296-86f9f0e9"]
        {
            assert_eq!(Mark::parse(bad), None, "{bad}");
        }
    }
}
