//! Reading one version back from its root: header, manifests, and the header of each extent that they name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::record::{Extent, Found, Fragment, FragmentState, Piece, Place, Version};
use crate::fragment::header::Header;
use crate::fragment::id::{ExtentId, Generation, Group, Kind};
use crate::fragment::manifest::{Entry, Manifest};
use crate::fragment::owner::Owner;
use crate::fragment::scan::{ListedCopy, Listing, Skeleton};
use crate::provider::ProviderError;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::fetch::Source;
use crate::store::send::Progress;

/// The longest header, in bytes: what one read has to bring.
const LONGEST_HEADER: u64 = 4096;

/// An extent that was read back.
pub(super) struct Known {
    extent: Extent,
    fragments: Vec<Fragment>,
    owner: Owner,
}

/// Why a version that is listed can't be read back now.
#[derive(Debug)]
pub(super) enum Unread {
    /// No header of this extent could be read and proved.
    Header(ExtentId, Vec<ProviderError>),
    /// The manifest names an extent of which nothing was listed.
    Unlisted(ExtentId),
    /// The manifest names an extent of which too little was listed.
    Short { extent: ExtentId, full: usize, k: u16 },
    /// What was read contradicts itself.
    Contradiction(String),
    /// The manifest could not be read.
    Store(StoreError),
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unread::Header(extent, causes) => {
                write!(f, "no header of extent {extent} could be read")?;
                causes.first().map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
            Unread::Unlisted(extent) => write!(f, "no fragment of extent {extent} is listed"),
            Unread::Short { extent, full, k } => write!(f, "extent {extent} needs {k} fragments, {full} are listed"),
            Unread::Contradiction(what) => f.write_str(what),
            Unread::Store(error) => error.fmt(f),
        }
    }
}

/// One object of a listing, and the way to its providers.
pub(super) struct Reading<'a> {
    pub(super) store: &'a Arc<Store>,
    pub(super) skeleton: &'a Skeleton,
    pub(super) group: Group,
    pub(super) progress: &'a Arc<dyn Progress>,
}

impl Reading<'_> {
    /// The name that the root's header tells, if any of its fragments can be read.
    pub(super) async fn name_of(&self, generation: Generation, root: ExtentId, listing: &Listing) -> Option<String> {
        self.known(generation, root, listing).await.ok()?.owner.name
    }

    /// The whole version behind a root.
    pub(super) async fn version(
        &self,
        generation: Generation,
        root: ExtentId,
        listing: &Listing,
    ) -> Result<Found, Unread> {
        let known = self.known(generation, root, listing).await?;
        let name = known.owner.name.clone().unwrap_or_default();
        if self.store.keys().group(&name) != self.group {
            return Err(Unread::Contradiction(format!(
                "the root of {name:?} lies with another object's"
            )));
        }
        let mut found = Found {
            version: version_of(&known, name),
            places: Vec::new(),
            others: Vec::new(),
            extents: Vec::new(),
        };
        match known.extent.kind {
            Kind::RootData => found.places.push(Place {
                extent: root,
                offset: 0,
                len: known.extent.shape.payload_len,
            }),
            Kind::RootManifest => {
                found.others.push(root);
                self.descend(&known, &mut found).await?;
            }
            _ => found.others.push(root),
        }
        found.extents.push((known.extent, known.fragments));
        Ok(found)
    }

    /// One extent of a shipment: its place, its facts and its fragments.
    pub(super) async fn freight(
        &self,
        generation: Generation,
        id: ExtentId,
        listing: &Listing,
    ) -> Result<(u32, Extent, Vec<Fragment>), String> {
        if listing.full() < usize::from(listing.k) {
            let (extent, full, k) = (id, listing.full(), listing.k);
            return Err(Unread::Short { extent, full, k }.to_string());
        }
        let known = self.known(generation, id, listing).await;
        let Known {
            extent,
            fragments,
            owner,
        } = known.map_err(|why| why.to_string())?;
        let ordinal = owner.ordinal.ok_or_else(|| format!("extent {id} has no place"))?;
        Ok((ordinal, extent, fragments))
    }

    /// All that a manifest names, level by level, in the object's order.
    async fn descend(&self, root: &Known, found: &mut Found) -> Result<(), Unread> {
        let manifest = self.manifest(&found.version.name, root).await?;
        found.version.digest = manifest.digest;
        let (mut offset, mut stack) = (0, vec![(manifest.level, manifest.entries.into_iter())]);
        while let Some((level, entries)) = stack.last_mut() {
            let level = *level;
            let Some(entry) = entries.next() else {
                stack.pop();
                continue;
            };
            let known = self.listed(&entry).await?;
            if level == 0 {
                found.places.push(Place {
                    extent: entry.extent,
                    offset,
                    len: entry.len,
                });
                offset += entry.len;
            } else {
                found.others.push(entry.extent);
                let below = self.manifest(&found.version.name, &known).await?;
                if below.level + 1 != level {
                    return Err(Unread::Contradiction(format!(
                        "extent {} is no manifest of level {}",
                        entry.extent,
                        level - 1
                    )));
                }
                stack.push((below.level, below.entries.into_iter()));
            }
            found.extents.push((known.extent, known.fragments));
        }
        Ok(())
    }

    /// An extent that a manifest names: enough of it has to be listed.
    async fn listed(&self, entry: &Entry) -> Result<Known, Unread> {
        let of_generation = |(generation, extents): (Generation, &'_ BTreeMap<ExtentId, Listing>)| {
            (generation == entry.generation).then(|| extents.get(&entry.extent).cloned())
        };
        let listing = self.skeleton.generations(self.group).find_map(of_generation).flatten();
        let Some(listing) = listing else {
            return Err(Unread::Unlisted(entry.extent));
        };
        if listing.full() < usize::from(listing.k) {
            return Err(Unread::Short {
                extent: entry.extent,
                full: listing.full(),
                k: listing.k,
            });
        }
        let known = self.known(entry.generation, entry.extent, &listing).await?;
        if known.extent.digest != entry.digest {
            return Err(Unread::Contradiction(format!(
                "extent {} has another digest than its manifest tells",
                entry.extent
            )));
        }
        Ok(known)
    }

    /// The facts of an extent, out of the first header that can be proved.
    async fn known(&self, generation: Generation, id: ExtentId, listing: &Listing) -> Result<Known, Unread> {
        let mut causes = Vec::new();
        for (index, copy) in copies(listing) {
            match self.header(generation, id, listing, index, copy).await {
                Ok(Some((header, owner))) => {
                    let digest = owner.digest.unwrap_or_default();
                    return Ok(Known {
                        extent: extent_of(&header, digest),
                        fragments: fragments_of(id, listing),
                        owner,
                    });
                }
                Ok(None) => {}
                Err(error) => causes.push(error),
            }
        }
        Err(Unread::Header(id, causes))
    }

    /// One fragment's header, if it is that fragment's.
    async fn header(
        &self,
        generation: Generation,
        id: ExtentId,
        listing: &Listing,
        index: u16,
        copy: &ListedCopy,
    ) -> Result<Option<(Header, Owner)>, ProviderError> {
        let clouds = self.store.clouds();
        let Some(provider) = clouds.get(copy.provider).and_then(|cloud| cloud.way().cloned()) else {
            return Ok(None);
        };
        let token = crate::fragment::key::Token {
            kind: listing.kind,
            index,
            k: listing.k,
            n: listing.n,
            quorum: listing.quorum,
            fragment_len: listing.fragment_len,
            copy: copy.copy,
            extent: id,
            generation,
        };
        let key = crate::fragment::key::seal_key(self.store.keys(), self.group, &token);
        let len = u64::from(listing.fragment_len).min(LONGEST_HEADER);
        let bytes = provider.get(&key, 0..len).await?.join();
        let decoded = Header::decode(&bytes, self.store.keys()).ok();
        Ok(decoded.filter(|(header, _)| header.group == self.group && header.token() == token))
    }

    /// How many of a root's fragments are good, up to k.
    pub(super) async fn good(&self, generation: Generation, root: ExtentId, listing: &Listing) -> Result<u16, Unread> {
        let known = self.known(generation, root, listing).await?;
        if known.extent.kind == Kind::Tombstone {
            return Ok(listing.k);
        }
        let good = self.store.good(&source_of("", &known), self.progress).await;
        good.map_err(Unread::Store)
    }

    async fn manifest(&self, name: &str, known: &Known) -> Result<Manifest, Unread> {
        let len = known.extent.shape.payload_len;
        let (bytes, _) = self
            .store
            .fetch(&source_of(name, known), 0..len, self.progress)
            .await
            .map_err(Unread::Store)?;
        Manifest::decode(&bytes).map_err(|error| Unread::Contradiction(error.to_string()))
    }
}

fn source_of(name: &str, known: &Known) -> Source {
    let piece = Piece {
        offset: 0,
        len: 0,
        extent: known.extent.clone(),
        fragments: known.fragments.clone(),
    };
    Source::new(name, "", 0, piece)
}

/// Copies of a listing at full length or of unknown length, one an index first.
fn copies(listing: &Listing) -> impl Iterator<Item = (u16, &ListedCopy)> {
    let fits = |copy: &&ListedCopy| copy.len.is_none_or(|len| len == u64::from(listing.fragment_len));
    listing
        .copies
        .iter()
        .flat_map(move |(index, copies)| copies.iter().filter(fits).map(|copy| (*index, copy)))
}

/// The fragments of a listing as the catalog keeps them: of each index the copies at full length.
fn fragments_of(extent: ExtentId, listing: &Listing) -> Vec<Fragment> {
    copies(listing)
        .map(|(index, copy)| Fragment {
            extent,
            index,
            copy: copy.copy,
            provider: copy.provider,
            state: FragmentState::Sound,
        })
        .collect()
}

fn extent_of(header: &Header, digest: [u8; 32]) -> Extent {
    Extent {
        id: header.extent,
        group: header.group,
        generation: header.generation,
        kind: header.kind,
        key_id: header.key_id,
        sealed: header.sealed,
        shape: header.shape,
        quorum: header.quorum,
        header_len: header.header_len,
        salt: header.salt,
        digest,
    }
}

fn version_of(known: &Known, name: String) -> Version {
    let Known { extent, owner, .. } = known;
    Version {
        name,
        generation: extent.generation,
        kind: extent.kind,
        root: extent.id,
        len: owner.object_len.unwrap_or(0),
        modified: owner.modified.unwrap_or(0),
        policy: owner.policy.clone().unwrap_or_default(),
        digest: extent.digest,
    }
}
