//! Reading content, however it is stored: whole, as a stream, or some of its lines.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use futures::{
    StreamExt,
    stream::{self, BoxStream, unfold},
};
use object_store::{GetOptions, GetResult, path::Path};
use sha2::Digest as _;

use super::{
    ContentStore, Digest, Error,
    packed::{Frame, HEAD_BYTES, Layout, begins_packed, unpack},
    store::digest_of,
};
use crate::model::TenantScope;

/// Content on its way.
pub type ContentStream = BoxStream<'static, Result<Bytes, Error>>;

/// So much of an object is read to learn its layout; larger tables take a second look.
const FIRST_LOOK_BYTES: u64 = 64 * 1024;

impl ContentStore {
    /// The bytes with this digest, verified.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::Unavailable`].
    pub async fn get(&self, scope: &TenantScope, digest: &Digest) -> Result<Bytes, Error> {
        let bytes = self
            .find(scope, digest, GetOptions::new())
            .await?
            .bytes()
            .await?;
        if begins_packed(&bytes).is_some() {
            let object = bytes.clone();
            let unpacked = tokio::task::spawn_blocking(move || unpack(&object)).await;
            if let Ok(plain) = unpacked.map_err(Error::interrupted)? {
                return verify(plain.into(), digest).await;
            }
        }
        verify(bytes, digest).await
    }

    /// Size and bytes of the content with this digest, as they come; they are not verified.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::Unavailable`].
    pub async fn get_stream(
        &self,
        scope: &TenantScope,
        digest: &Digest,
    ) -> Result<(u64, ContentStream), Error> {
        let found = self.find(scope, digest, GetOptions::new()).await?;
        let object_bytes = found.meta.size;
        let mut body = parts_of(found);
        let mut start = BytesMut::new();
        gather(&mut body, &mut start, HEAD_BYTES).await?;
        let Some((size_bytes, length)) = begins_packed(&start) else {
            let plain = stream::iter([Ok(start.freeze())]).chain(body).boxed();
            return Ok((object_bytes, plain));
        };
        if length as u64 > object_bytes {
            return Err(Error::Corrupt);
        }
        gather(&mut body, &mut start, length).await?;
        let layout = Layout::read(start.get(..length).ok_or(Error::Corrupt)?)?;
        start.advance(length);
        Ok((size_bytes, unpacked(&layout, start, body)))
    }

    /// Size and bytes of the content with this digest. The last part is held back until the digest
    /// fits, so damaged content never looks whole.
    ///
    /// # Errors
    /// As [`get_stream`](Self::get_stream).
    pub async fn get_verified_stream(
        &self,
        scope: &TenantScope,
        digest: &Digest,
    ) -> Result<(u64, ContentStream), Error> {
        let (size_bytes, body) = self.get_stream(scope, digest).await?;
        if size_bytes == 0 && *digest != Digest::of(&[]) {
            // There is no part to hold back.
            return Err(Error::Corrupt);
        }
        Ok((size_bytes, verified(body, *digest, size_bytes)))
    }

    /// The size of content.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Absent`], [`Error::Unavailable`].
    pub async fn size(&self, scope: &TenantScope, digest: &Digest) -> Result<u64, Error> {
        let object_bytes = self.object_bytes(scope, digest).await?;
        let layout = self.layout(&self.path(scope, digest), object_bytes).await?;
        Ok(layout.map_or(object_bytes, |layout| layout.size_bytes))
    }

    /// The bytes of a part of content, which lies within it. Of packed content the frames that hold
    /// it are read.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Absent`], [`Error::Corrupt`], [`Error::Unavailable`].
    pub async fn get_part(
        &self,
        scope: &TenantScope,
        digest: &Digest,
        range: Range<u64>,
    ) -> Result<ContentStream, Error> {
        let path = self.path(scope, digest);
        let object_bytes = self.object_bytes(scope, digest).await?;
        let Some(layout) = self.layout(&path, object_bytes).await? else {
            let options = GetOptions::new().with_range(Some(range));
            return Ok(parts_of(self.find(scope, digest, options).await?));
        };
        let pieces = layout.pieces(&range).into_iter();
        let state = Some((self.clone(), path, pieces));
        let parts = unfold(state, |state| async {
            let (store, path, mut pieces) = state?;
            let (frame, within) = pieces.next()?;
            match store.piece(&path, frame, within).await {
                Ok(part) => Some((Ok(part), Some((store, path, pieces)))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(parts.fuse().boxed())
    }

    async fn piece(&self, path: &Path, frame: Frame, within: Range<usize>) -> Result<Bytes, Error> {
        let range = frame.offset..frame.offset + frame.packed_bytes;
        let packed = self.object_part(path, range).await?;
        Ok(Bytes::from(frame.unpack(&packed)?).slice(within))
    }

    /// The size of the object; one that is missing where the store is not there is not missing.
    async fn object_bytes(&self, scope: &TenantScope, digest: &Digest) -> Result<u64, Error> {
        let options = GetOptions::new().with_head(true);
        Ok(self.find(scope, digest, options).await?.meta.size)
    }

    /// The lines from `skip` (from 0) on, at most `most`, each with its line break; fewer, or none,
    /// at the end. Of packed content only the frames that hold them are read.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when they have more than `max_bytes`, [`Error::NotFound`],
    /// [`Error::Corrupt`], [`Error::Unavailable`].
    pub async fn lines(
        &self,
        scope: &TenantScope,
        digest: &Digest,
        window: LineWindow,
    ) -> Result<Vec<u8>, Error> {
        let path = self.path(scope, digest);
        let object_bytes = self.object_bytes(scope, digest).await?;
        let mut lines = Lines::new(window);
        if let Some(layout) = self.layout(&path, object_bytes).await? {
            self.packed_lines(&path, &layout, &mut lines).await?;
            return Ok(lines.taken);
        }
        let (_, mut body) = self.get_stream(scope, digest).await?;
        while let Some(part) = body.next().await {
            if lines.take(&part?)? {
                break;
            }
        }
        Ok(lines.taken)
    }

    async fn packed_lines(
        &self,
        path: &Path,
        layout: &Layout,
        lines: &mut Lines,
    ) -> Result<(), Error> {
        for frame in layout.frames() {
            if lines.skip > frame.lines {
                lines.skip -= frame.lines;
                continue;
            }
            let range = frame.offset..frame.offset + frame.packed_bytes;
            let packed = self.object_part(path, range).await?;
            if lines.take(&frame.unpack(&packed)?)? {
                break;
            }
        }
        Ok(())
    }

    /// The layout of an object, if it is packed.
    async fn layout(&self, path: &Path, object_bytes: u64) -> Result<Option<Layout>, Error> {
        if object_bytes < HEAD_BYTES as u64 {
            return Ok(None);
        }
        let look = object_bytes.min(FIRST_LOOK_BYTES);
        let mut start = self.object_part(path, 0..look).await?;
        let Some((_, length)) = begins_packed(&start) else {
            return Ok(None);
        };
        if length as u64 > object_bytes {
            return Err(Error::Corrupt);
        }
        if length > start.len() {
            start = self.object_part(path, 0..length as u64).await?;
        }
        let layout = Layout::read(start.get(..length).ok_or(Error::Corrupt)?)?;
        // A part of an object that is not there any more is damage; the store calls it a faulty range.
        if layout.object_bytes == object_bytes {
            Ok(Some(layout))
        } else {
            Err(Error::Corrupt)
        }
    }

    /// The size of the content of an object, packed or plain; none where there is no object.
    pub(super) async fn content_bytes(&self, path: &Path) -> Result<Option<u64>, Error> {
        let object_bytes = match self.object(path, GetOptions::new().with_head(true)).await {
            Ok(found) => found.meta.size,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let head_bytes = HEAD_BYTES as u64;
        if object_bytes < head_bytes {
            return Ok(Some(object_bytes));
        }
        let start = self.object_part(path, 0..head_bytes).await?;
        Ok(Some(
            begins_packed(&start).map_or(object_bytes, |(size_bytes, _)| size_bytes),
        ))
    }
}

fn parts_of(found: GetResult) -> ContentStream {
    let parts = found.into_stream();
    parts.map(|part| part.map_err(Error::from)).boxed()
}

async fn verify(bytes: Bytes, digest: &Digest) -> Result<Bytes, Error> {
    if digest_of(bytes.clone()).await? == *digest {
        Ok(bytes)
    } else {
        Err(Error::Corrupt)
    }
}

/// Reads on until there are `length` bytes, or no more.
async fn gather(
    body: &mut ContentStream,
    gathered: &mut BytesMut,
    length: usize,
) -> Result<(), Error> {
    while gathered.len() < length {
        let Some(part) = body.next().await else {
            break;
        };
        gathered.extend_from_slice(&part?);
    }
    Ok(())
}

fn unpacked(layout: &Layout, gathered: BytesMut, body: ContentStream) -> ContentStream {
    let frames = layout.frames().to_vec().into_iter();
    unfold(Some((frames, gathered, body)), |state| async {
        let (mut frames, mut gathered, mut body) = state?;
        let frame = frames.next()?;
        let packed_bytes = usize::try_from(frame.packed_bytes).unwrap_or(usize::MAX);
        let plain = match gather(&mut body, &mut gathered, packed_bytes).await {
            Ok(()) if gathered.len() >= packed_bytes => {
                frame.unpack(&gathered.split_to(packed_bytes))
            }
            Ok(()) => Err(Error::Corrupt),
            Err(error) => Err(error),
        };
        match plain {
            Ok(plain) => Some((Ok(Bytes::from(plain)), Some((frames, gathered, body)))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

struct Verifying {
    body: ContentStream,
    hasher: sha2::Sha256,
    digest: Digest,
    left: u64,
}

impl Verifying {
    /// The next part, if what is known by then is right.
    fn pass(&mut self, part: Bytes) -> Result<Bytes, Error> {
        let left = self.left.checked_sub(part.len() as u64);
        self.left = left.ok_or(Error::Corrupt)?;
        self.hasher.update(&part);
        let whole = self.left == 0;
        if whole && Digest(self.hasher.clone().finalize().into()) != self.digest {
            return Err(Error::Corrupt);
        }
        Ok(part)
    }
}

fn verified(body: ContentStream, digest: Digest, size_bytes: u64) -> ContentStream {
    let verifying = Verifying {
        body,
        hasher: sha2::Sha256::new(),
        digest,
        left: size_bytes,
    };
    unfold(Some(verifying), |verifying| async {
        let mut verifying = verifying?;
        let part = match verifying.body.next().await {
            Some(part) => part.and_then(|part| verifying.pass(part)),
            None if verifying.left > 0 => Err(Error::Corrupt),
            None => return None,
        };
        match part {
            Ok(part) => Some((Ok(part), Some(verifying))),
            Err(error) => {
                tracing::error!(%error, digest = %verifying.digest, "content was broken off");
                Some((Err(error), None))
            }
        }
    })
    // A compressor asks again after the end.
    .fuse()
    .boxed()
}

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineWindow {
    /// Lines before the first.
    pub skip: u64,
    /// Lines at most.
    pub most: usize,
    /// Bytes at most.
    pub max_bytes: usize,
}

/// Lines as they are found.
struct Lines {
    skip: u64,
    left: usize,
    max_bytes: usize,
    taken: Vec<u8>,
}

impl Lines {
    fn new(window: LineWindow) -> Self {
        Self {
            skip: window.skip,
            left: window.most,
            max_bytes: window.max_bytes,
            taken: Vec::new(),
        }
    }

    /// Looks at the next part of the content; whether no more is wanted.
    fn take(&mut self, mut part: &[u8]) -> Result<bool, Error> {
        while self.skip > 0 {
            let Some(end) = part.iter().position(|byte| *byte == b'\n') else {
                return Ok(false);
            };
            part = &part[end + 1..];
            self.skip -= 1;
        }
        while self.left > 0 && !part.is_empty() {
            let end = part.iter().position(|byte| *byte == b'\n');
            let (line, rest) = part.split_at(end.map_or(part.len(), |end| end + 1));
            self.taken.extend_from_slice(line);
            self.left -= usize::from(end.is_some());
            part = rest;
            if self.taken.len() > self.max_bytes {
                let limit_bytes = self.max_bytes as u64;
                return Err(Error::TooLarge { limit_bytes });
            }
        }
        Ok(self.left == 0)
    }
}
