//! A version whose extents are all on the clouds, the root too: what the commit is made of.

use super::late::Late;
use super::send::Sent;
use crate::catalog::record::{Piece, Place};
use crate::fragment::id::{ExtentId, Kind};

/// All extents are at the rule, the root too.
pub(crate) struct Complete {
    pub(crate) root: Sent,
    pub(crate) kind: Kind,
    /// Data extents that are not the root, in order.
    pub(crate) parts: Vec<Sent>,
    /// Manifests that are not the root.
    pub(crate) manifests: Vec<Sent>,
    pub(crate) len: u64,
    pub(crate) digest: [u8; 32],
}

impl Complete {
    /// The seats that have not answered yet: who commits has to take their answers.
    pub(super) fn take_late(&mut self) -> Vec<Late> {
        let all = self.parts.iter_mut().chain(&mut self.manifests).chain([&mut self.root]);
        all.filter_map(|sent| sent.late.take()).collect()
    }

    /// The data extents, in order.
    fn data(&self) -> Vec<&Sent> {
        match self.kind {
            Kind::RootData => vec![&self.root],
            _ => self.parts.iter().collect(),
        }
    }

    /// Where each data extent stands in the object.
    pub(super) fn places(&self) -> Vec<Place> {
        let pieces = self.pieces().into_iter();
        let place = |piece: Piece| Place {
            extent: piece.extent.id,
            offset: piece.offset,
            len: piece.len,
        };
        pieces.map(place).collect()
    }

    /// The same with their fragments, as they were sent.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        let mut offset = 0;
        let piece = |sent: &Sent| {
            let len = sent.extent.shape.payload_len;
            offset += len;
            Piece {
                extent: sent.extent.clone(),
                fragments: sent.fragments.clone(),
                offset: offset - len,
                len,
            }
        };
        self.data().into_iter().map(piece).collect()
    }

    /// The extents that are no data: manifests, and a removal's root.
    pub(super) fn others(&self) -> Vec<ExtentId> {
        let root = (self.kind != Kind::RootData).then_some(&self.root);
        let all = self.manifests.iter().chain(root);
        all.map(|sent| sent.extent.id).collect()
    }
}
