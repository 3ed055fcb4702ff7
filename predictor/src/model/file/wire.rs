//! How are numbers written, and read without trust?
//!
//! Little-endian, one after the other. A count is held against its limit and against the bytes that are left before
//! anything is allocated for it, so a forged file costs no more memory than it has bytes.

use super::ModelFileError;

/// Appends numbers to bytes.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn f32(&mut self, value: f32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.bytes(&value.to_le_bytes());
    }

    /// A count within its limit.
    pub(super) fn count(
        &mut self,
        what: &'static str,
        count: usize,
        most: usize,
    ) -> Result<(), ModelFileError> {
        match u32::try_from(count) {
            Ok(written) if count <= most => self.u32(written),
            _ => return Err(ModelFileError::TooMany { what, found: count, most }),
        }
        Ok(())
    }

    pub(super) fn text(&mut self, what: &'static str, text: &str, most: usize) -> Result<(), ModelFileError> {
        self.count(what, text.len(), most)?;
        self.bytes(text.as_bytes());
        Ok(())
    }
}

/// Takes numbers from bytes.
pub(super) struct Reader<'b> {
    left: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { left: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    fn take(&mut self, what: &'static str, count: usize) -> Result<&'b [u8], ModelFileError> {
        let (taken, left) = self.left.split_at_checked(count).ok_or(ModelFileError::Short { what })?;
        self.left = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ModelFileError> {
        let (taken, left) = self.left.split_first_chunk().ok_or(ModelFileError::Short { what })?;
        self.left = left;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, ModelFileError> {
        self.array::<1>(what).map(|[value]| value)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, ModelFileError> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, ModelFileError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, ModelFileError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A finite number.
    pub(super) fn f32(&mut self, what: &'static str) -> Result<f32, ModelFileError> {
        let value = self.array(what).map(f32::from_le_bytes)?;
        if value.is_finite() { Ok(value) } else { Err(ModelFileError::NotFinite { what }) }
    }

    /// A finite number.
    pub(super) fn f64(&mut self, what: &'static str) -> Result<f64, ModelFileError> {
        let value = self.array(what).map(f64::from_le_bytes)?;
        if value.is_finite() { Ok(value) } else { Err(ModelFileError::NotFinite { what }) }
    }

    /// A count of things that take at least `each` bytes, within its limit and within the bytes that are left.
    pub(super) fn count(
        &mut self,
        what: &'static str,
        most: usize,
        each: usize,
    ) -> Result<usize, ModelFileError> {
        let found = self.u32(what)? as usize;
        if found > most {
            return Err(ModelFileError::TooMany { what, found, most });
        }
        if found.saturating_mul(each) > self.left.len() {
            return Err(ModelFileError::Short { what });
        }
        Ok(found)
    }

    pub(super) fn text(&mut self, what: &'static str, most: usize) -> Result<String, ModelFileError> {
        let count = self.count(what, most, 1)?;
        let bytes = self.take(what, count)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| ModelFileError::Improper { what })
    }
}
