//! Are these the bytes that were written? What every row of the store's that is ours begins and ends with.
//!
//! Four bytes that say what it is, one for the version, the contents, and the CRC-32 of all that, little-endian. It finds
//! what is torn or rotten; it does not keep out whoever wants in, so contents are read with care all the same.

/// Bytes that are not framed as they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unframed {
    /// They begin with something else, or are too many.
    Foreign,
    /// A later program wrote them, with this version.
    Version(u8),
    /// They are cut off or altered.
    CheckSum,
    /// They have a version that never was.
    NoVersion,
}

/// Begins a frame: the contents follow, and then [`end`].
pub(crate) fn begin(bytes: &mut Vec<u8>, magic: [u8; 4], version: u8) {
    bytes.extend(magic);
    bytes.push(version);
}

/// Ends a frame.
pub(crate) fn end(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// The contents of a frame of exactly this version and at most `most` bytes.
pub(crate) fn contents(bytes: &[u8], magic: [u8; 4], version: u8, most: usize) -> Result<&[u8], Unframed> {
    if bytes.len() > most || bytes.iter().zip(&magic).any(|(byte, magic)| byte != magic) {
        return Err(Unframed::Foreign);
    }
    let (body, sum) = bytes.split_last_chunk().ok_or(Unframed::CheckSum)?;
    match body.get(magic.len()) {
        Some(&later) if later > version => Err(Unframed::Version(later)),
        _ if crc32fast::hash(body) != u32::from_le_bytes(*sum) => Err(Unframed::CheckSum),
        Some(&same) if same == version => Ok(&body[magic.len() + 1..]),
        _ => Err(Unframed::NoVersion),
    }
}
