//! Content at rest, compressed.
//!
//! A packed object is a sequence of zstd frames, each of [`FRAME_BYTES`] of content and readable by
//! itself, after a skippable frame that holds the table of them: sizes, and how many lines end in
//! each. So a page of lines costs the frames it lies in, and `zstd -d` on the object gives the
//! content. Digest and size are those of the content, whatever form it is stored in.

use std::{fmt, io, ops::Range};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{Digest, Error, Stored};

/// Content in one frame.
pub(super) const FRAME_BYTES: usize = 256 * 1024;
/// Larger content is packed where that makes it smaller by an eighth.
pub(super) const WORTH_PACKING_BYTES: usize = 64 * 1024;
const LEVEL: i32 = 1;

/// Begins a packed object: the magic number of a skippable frame of zstd.
const MAGIC: [u8; 4] = 0x184D_2A5E_u32.to_le_bytes();
/// Begins what is in that frame.
const TAG: &[u8; 8] = b"takeoff1";
/// Magic number, length, tag, size of the content, number of frames.
pub(super) const HEAD_BYTES: usize = 4 + 4 + 8 + 8 + 4;
const ENTRY_BYTES: usize = 12;

/// Packs content as it comes, so that it is never whole in memory.
pub struct Packer {
    pending: Vec<u8>,
    frames: Vec<u8>,
    table: Vec<Entry>,
    hasher: Sha256,
    size_bytes: u64,
    failed: Option<io::Error>,
}

/// One frame of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    packed_bytes: u32,
    plain_bytes: u32,
    lines: u32,
}

/// Packed content, to be put into the store.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed {
    /// The stored content.
    pub stored: Stored,
    pub(super) object: Bytes,
}

impl Default for Packer {
    fn default() -> Self {
        Self {
            pending: Vec::new(),
            frames: Vec::new(),
            table: Vec::new(),
            hasher: Sha256::new(),
            size_bytes: 0,
            failed: None,
        }
    }
}

impl Packer {
    /// Takes more of the content. What goes wrong is told by [`finish`](Self::finish).
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.size_bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = FRAME_BYTES - self.pending.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == FRAME_BYTES {
                self.end_frame();
            }
        }
    }

    /// Returns the size of the content so far.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn end_frame(&mut self) {
        self.hasher.update(&self.pending);
        match packed_frame(&self.pending) {
            Ok(frame) => {
                self.table.push(Entry {
                    packed_bytes: narrow(frame.len()),
                    plain_bytes: narrow(self.pending.len()),
                    lines: narrow(line_ends(&self.pending)),
                });
                self.frames.extend_from_slice(&frame);
            }
            Err(error) => self.failed = Some(error),
        }
        self.pending.clear();
    }

    /// The packed content.
    ///
    /// # Errors
    /// [`Error::Source`] when it could not be compressed.
    pub fn finish(mut self) -> Result<Packed, Error> {
        if !self.pending.is_empty() {
            self.end_frame();
        }
        if let Some(error) = self.failed {
            return Err(Error::Source(Box::new(error)));
        }
        let mut object = head(self.size_bytes, &self.table);
        object.extend_from_slice(&self.frames);
        Ok(Packed {
            stored: Stored {
                digest: Digest(self.hasher.finalize().into()),
                size_bytes: self.size_bytes,
            },
            object: object.into(),
        })
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.stored, f)
    }
}

impl Packed {
    /// The content, unpacked again.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn unpack(&self) -> Result<Vec<u8>, Error> {
        unpack(&self.object)
    }
}

fn head(size_bytes: u64, table: &[Entry]) -> Vec<u8> {
    let inner = HEAD_BYTES - 8 + table.len() * ENTRY_BYTES;
    let mut head = Vec::with_capacity(inner + 8);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&narrow(inner).to_le_bytes());
    head.extend_from_slice(TAG);
    head.extend_from_slice(&size_bytes.to_le_bytes());
    head.extend_from_slice(&narrow(table.len()).to_le_bytes());
    for entry in table {
        for number in [entry.packed_bytes, entry.plain_bytes, entry.lines] {
            head.extend_from_slice(&number.to_le_bytes());
        }
    }
    head
}

/// Each frame carries a checksum: what is read of it alone is verified all the same.
fn packed_frame(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.compress(plain)
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(super) fn line_ends(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

/// Where the frames of a packed object are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) size_bytes: u64,
    /// The bytes of the object: its last frame ends with it.
    pub(super) object_bytes: u64,
    frames: Vec<Frame>,
}

/// One frame of a packed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Where it begins in the object, and its bytes there.
    pub(super) offset: u64,
    pub(super) packed_bytes: u64,
    /// Its content.
    plain_bytes: usize,
    /// Lines that end in it.
    pub(super) lines: u64,
}

/// The size of the content, and the bytes of the object before its first frame, where `start` begins
/// a packed object.
pub(super) fn begins_packed(start: &[u8]) -> Option<(u64, usize)> {
    let start = start.get(..HEAD_BYTES)?;
    if start[..4] != MAGIC || &start[8..16] != TAG {
        return None;
    }
    let inner = u32::from_le_bytes(start[4..8].try_into().ok()?);
    let size_bytes = u64::from_le_bytes(start[16..24].try_into().ok()?);
    Some((size_bytes, 8 + usize::try_from(inner).ok()?))
}

impl Layout {
    /// Reads the table before the first frame.
    pub(super) fn read(before_frames: &[u8]) -> Result<Self, Error> {
        let (size_bytes, length) = begins_packed(before_frames).ok_or(Error::Corrupt)?;
        if before_frames.len() != length {
            return Err(Error::Corrupt);
        }
        let mut offset = length as u64;
        let mut frames = Vec::new();
        for entry in before_frames[HEAD_BYTES..].chunks(ENTRY_BYTES) {
            let number = |at: usize| -> Option<u32> {
                Some(u32::from_le_bytes(entry.get(at..at + 4)?.try_into().ok()?))
            };
            let (Some(packed), Some(plain), Some(lines)) = (number(0), number(4), number(8)) else {
                return Err(Error::Corrupt);
            };
            let plain_bytes = usize::try_from(plain).unwrap_or(usize::MAX);
            // What is unpacked is bounded by what a packer makes, not by what an object says.
            if plain_bytes > FRAME_BYTES || packed as usize > 2 * FRAME_BYTES {
                return Err(Error::Corrupt);
            }
            frames.push(Frame {
                offset,
                packed_bytes: packed.into(),
                plain_bytes,
                lines: lines.into(),
            });
            offset += u64::from(packed);
        }
        Ok(Self {
            size_bytes,
            object_bytes: offset,
            frames,
        })
    }

    pub(super) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The frames that hold a range of the content, and what of each belongs to it.
    pub(super) fn pieces(&self, range: &Range<u64>) -> Vec<(Frame, Range<usize>)> {
        let mut pieces = Vec::new();
        let mut begin = 0_u64;
        for frame in &self.frames {
            let end = begin + frame.plain_bytes as u64;
            let (from, to) = (range.start.max(begin), range.end.min(end));
            if let (true, Ok(from), Ok(to)) = (
                from < to,
                usize::try_from(from.saturating_sub(begin)),
                usize::try_from(to.saturating_sub(begin)),
            ) {
                pieces.push((*frame, from..to));
            }
            begin = end;
        }
        pieces
    }
}

impl Frame {
    /// The content of the frame.
    pub(super) fn unpack(&self, packed: &[u8]) -> Result<Vec<u8>, Error> {
        let plain = zstd::bulk::decompress(packed, self.plain_bytes);
        plain
            .ok()
            .filter(|plain| plain.len() == self.plain_bytes)
            .ok_or(Error::Corrupt)
    }
}

/// The content of a whole packed object.
pub(super) fn unpack(object: &[u8]) -> Result<Vec<u8>, Error> {
    let (_, length) = begins_packed(object).ok_or(Error::Corrupt)?;
    let layout = Layout::read(object.get(..length).ok_or(Error::Corrupt)?)?;
    let mut plain = Vec::new();
    let mut rest = &object[length..];
    for frame in layout.frames() {
        let packed_bytes = usize::try_from(frame.packed_bytes).unwrap_or(usize::MAX);
        let (packed, after) = rest.split_at_checked(packed_bytes).ok_or(Error::Corrupt)?;
        plain.extend_from_slice(&frame.unpack(packed)?);
        rest = after;
    }
    if plain.len() as u64 == layout.size_bytes && rest.is_empty() {
        Ok(plain)
    } else {
        Err(Error::Corrupt)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(parts: &[&[u8]]) -> Packed {
        let mut packer = Packer::default();
        for part in parts {
            packer.push(part);
        }
        packer.finish().unwrap()
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked_whatever_its_parts(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..5),
            repeated in 0..400_usize,
        ) {
            let mut parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let line = [b"a line that is repeated\n".as_slice()].repeat(100).concat();
            parts.extend(std::iter::repeat_n(line.as_slice(), repeated));
            let plain = parts.concat();
            let packed = packed(&parts);
            prop_assert_eq!(packed.stored.digest, Digest::of(&plain));
            prop_assert_eq!(packed.stored.size_bytes, plain.len() as u64);
            prop_assert_eq!(packed.unpack().unwrap(), plain);
        }
    }

    #[test]
    fn a_packed_object_is_a_file_of_zstd() {
        let plain = b"name,name,name\n".repeat(100_000);
        let packed = packed(&[&plain]);
        assert!(packed.object.len() * 100 < plain.len());
        assert_eq!(zstd::stream::decode_all(&*packed.object).unwrap(), plain);
    }

    #[test]
    fn a_damaged_object_is_corrupt_wherever_it_is_damaged() {
        let plain = b"some text and more\n".repeat(20_000);
        let object = packed(&[&plain]).object;
        for at in (0..object.len()).step_by(101).chain(16..HEAD_BYTES + 12) {
            let mut damaged = object.to_vec();
            damaged[at] ^= 0x20;
            let unpacked = unpack(&damaged);
            assert!(unpacked.is_err() || unpacked.unwrap() == plain, "byte {at}");
        }
        assert!(unpack(&object[..object.len() - 1]).is_err());
    }
}
