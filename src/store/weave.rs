//! From a draft to fragments: what is not woven yet, then the headers, which need the digest.

use bytes::Bytes;

use super::draft::{Draft, Frames};
use super::layout::Layout;
pub use super::loom::WeaveError;
use super::slab::Pool;
use crate::catalog::record::Extent;
use crate::codec::Code;
use crate::fragment::header::Header;
use crate::fragment::owner::Owner;
use crate::fragment::secret::Keys;

/// All n fragments of an extent, ready to leave.
#[derive(Clone, Debug)]
pub struct Woven {
    /// The extent, its shape and digest filled in.
    pub extent: Extent,
    /// Fragment i, whole.
    pub fragments: Vec<Bytes>,
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
    let Frames {
        shape,
        layout,
        mut slabs,
        digest,
    } = draft.finish(keys, code, pool, &extent)?;
    assert!(
        copies.len() == usize::from(layout.n) && code.n() == copies.len(),
        "one copy number a fragment"
    );
    extent.shape = shape;
    extent.header_len = layout.header_len;
    extent.digest = digest;
    let fragment_len = usize::try_from(shape.fragment_len(layout.header_len)).expect("a fragment fits memory");
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
