//! From payload to fragments, on one thread: seal, hash the data chunks, code, hash the parity, verify, stripe by stripe while
//! the stripe is in the cache; then the headers, which need the digest.

use bytes::Bytes;

use super::draft::{Draft, Finished, Layout};
use super::slab::{Pool, Slab};
use crate::catalog::record::Extent;
use crate::cipher::ChunkCipher;
use crate::codec::Code;
use crate::fragment::header::Header;
use crate::fragment::owner::Owner;
use crate::fragment::secret::{Keys, UnknownKey};
use crate::fragment::tag::FrameKeys;

/// All n fragments of an extent, ready to leave.
#[derive(Clone, Debug)]
pub struct Woven {
    /// The extent, its shape and digest filled in.
    pub extent: Extent,
    /// Fragment i, whole.
    pub fragments: Vec<Bytes>,
}

/// Why an extent could not be coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeaveError {
    /// The parity that was computed is not that of the data: this machine errs.
    #[error("the coded bytes of stripe {stripe} do not verify")]
    Miscoded {
        /// Which stripe.
        stripe: u64,
    },
    /// The keyring lacks a key.
    #[error(transparent)]
    Key(#[from] UnknownKey),
}

/// Codes a draft. `extent` says what the extent is (its shape and digest are not looked at), `owner` what its headers carry
/// (the digest is added, unless they carry nothing), `copies` the copy number of each fragment.
///
/// # Panics
/// If the counts of `code`, `copies` and the draft's layout differ.
pub fn weave(
    keys: &Keys,
    code: &Code,
    pool: &Pool,
    draft: Draft,
    mut extent: Extent,
    owner: &Owner,
    copies: &[u64],
) -> Result<Woven, WeaveError> {
    let Finished {
        shape,
        layout,
        mut slabs,
    } = draft.finish();
    assert!(
        copies.len() == usize::from(layout.n) && code.n() == copies.len(),
        "one copy number a fragment"
    );
    extent.shape = shape;
    extent.header_len = layout.header_len;
    let fragment_len = usize::try_from(shape.fragment_len(layout.header_len)).expect("a fragment fits memory");
    slabs.extend((layout.k..layout.n).map(|_| pool.take(fragment_len)));
    let loom = Loom {
        code,
        tags: FrameKeys::new(keys, extent.key_id, extent.id, &extent.salt, shape)?,
        cipher: extent
            .sealed
            .then(|| keys.cipher(extent.key_id, extent.id, &extent.salt))
            .transpose()?,
        layout,
    };
    let mut digest = blake3::Hasher::new();
    for stripe in 0..shape.stripes() {
        loom.stripe(stripe, &mut slabs, &mut digest)?;
    }
    extent.digest = *digest.finalize().as_bytes();
    let bare = *owner == Owner::default();
    let owner = Owner {
        digest: (!bare).then_some(extent.digest),
        ..owner.clone()
    };
    for (index, (slab, copy)) in slabs.iter_mut().zip(copies).enumerate() {
        let index = u16::try_from(index).expect("n is at most 256");
        let header = header(&extent, index, *copy).encode(keys, &owner)?;
        slab[..header.len()].copy_from_slice(&header);
    }
    let fragments = slabs.into_iter().map(|slab| slab.freeze(fragment_len)).collect();
    Ok(Woven { extent, fragments })
}

/// An extent without payload: a removal, an annulment, an epoch.
pub fn weave_empty(
    keys: &Keys,
    layout: Layout,
    extent: Extent,
    owner: &Owner,
    copies: &[u64],
) -> Result<Woven, WeaveError> {
    let code = Code::new(usize::from(layout.k), usize::from(layout.n)).expect("a policy's k and n");
    let pool = Pool::default();
    let draft = Draft::new(&pool, layout, Some(0));
    weave(keys, &code, &pool, draft, extent, owner, copies)
}

/// The header of one fragment of an extent.
#[must_use]
pub fn header(extent: &Extent, index: u16, copy: u64) -> Header {
    Header {
        header_len: extent.header_len,
        kind: extent.kind,
        sealed: extent.sealed,
        shape: extent.shape,
        quorum: extent.quorum,
        index,
        key_id: extent.key_id,
        extent: extent.id,
        generation: extent.generation,
        copy,
        group: extent.group,
        salt: extent.salt,
    }
}

/// What the stripes of one extent are worked with.
struct Loom<'a> {
    code: &'a Code,
    tags: FrameKeys,
    cipher: Option<ChunkCipher>,
    layout: Layout,
}

impl Loom<'_> {
    fn stripe(&self, stripe: u64, slabs: &mut [Slab], digest: &mut blake3::Hasher) -> Result<(), WeaveError> {
        let shape = self.tags.shape();
        let at = usize::try_from(shape.frame_offset(self.layout.header_len, stripe)).expect("a fragment fits memory");
        let end = at + shape.coded_len(stripe) as usize;
        let (data, parity) = slabs.split_at_mut(usize::from(self.layout.k));
        for (chunk, slab) in (0..).zip(data.iter_mut()) {
            if let Some(cipher) = &self.cipher {
                cipher.seal(stripe * u64::from(self.layout.k) + u64::from(chunk), &mut slab[at..end]);
            }
            digest.update(&self.tag(chunk, stripe, slab, at, end));
        }
        {
            let data: Vec<&[u8]> = data.iter().map(|slab| &slab[at..end]).collect();
            let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(|slab| &mut slab[at..end]).collect();
            self.code.encode(&data, &mut parity);
        }
        for (index, slab) in (self.layout.k..).zip(parity.iter_mut()) {
            self.tag(index, stripe, slab, at, end);
        }
        let all: Vec<&[u8]> = slabs.iter().map(|slab| &slab[at..end]).collect();
        if self.code.verify(&all) {
            Ok(())
        } else {
            Err(WeaveError::Miscoded { stripe })
        }
    }

    /// Writes the tag behind the chunk.
    fn tag(&self, index: u16, stripe: u64, slab: &mut Slab, at: usize, end: usize) -> [u8; 32] {
        let tag = self.tags.tag(index, stripe, &slab[at..end]);
        slab[end..end + tag.len()].copy_from_slice(&tag);
        tag
    }
}
