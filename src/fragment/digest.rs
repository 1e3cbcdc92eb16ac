//! Digests: 32 bytes that stand for an extent or an object. They are made of the tags that the frames have anyway, so no byte is hashed twice.

use super::tag::Tag;

/// A digest's bytes.
pub type Digest = [u8; 32];

/// The digest of an extent, as its stripes are coded.
#[derive(Clone, Debug, Default)]
pub struct ExtentDigest(blake3::Hasher);

impl ExtentDigest {
    /// Nothing yet: ended now, it is the digest of an empty extent.
    pub fn new() -> ExtentDigest {
        ExtentDigest::default()
    }

    /// Takes the tag of the next data chunk: stripe by stripe, and chunks 0 to k−1 in each.
    pub fn push(&mut self, tag: &Tag) {
        self.0.update(tag);
    }

    /// The digest of all chunks that were pushed.
    pub fn finish(&self) -> Digest {
        *self.0.finalize().as_bytes()
    }
}

/// The digest of an object with a manifest, of the digests of its data extents in order. One rule for a manifest's entries too.
pub fn of_extents<'a>(extents: impl IntoIterator<Item = &'a Digest>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for digest in extents {
        hasher.update(digest);
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_chunks_counts() {
        let digest = |tags: &[Tag]| {
            let mut digest = ExtentDigest::new();
            for tag in tags {
                digest.push(tag);
            }
            digest.finish()
        };
        assert_eq!(digest(&[]), *blake3::hash(b"").as_bytes());
        assert_ne!(digest(&[[1; 32], [2; 32]]), digest(&[[2; 32], [1; 32]]));
        assert_eq!(digest(&[[1; 32], [2; 32]]), of_extents(&[[1; 32], [2; 32]]));
    }
}
