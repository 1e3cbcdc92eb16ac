//! The code against the golden blobs of `fixtures/fragment/v1`, which another program wrote from the page alone.

mod damage;
mod page;

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use serde::Deserialize;

use super::digest::{Digest, ExtentDigest};
use super::frame::cut;
use super::header::Header;
use super::id::{ExtentId, Generation, Group, Kind, ProviderId, SetId, WriterId};
use super::identity::{self, LaterSecret, Member, MemberState, Membership};
use super::key::open_key;
use super::manifest::{Entry, Manifest};
use super::owner::Owner;
use super::pack::{self, PackPlace};
use super::scan;
use super::secret::{Keys, SetSecret};
use crate::codec::Code;
use crate::stripe::geometry::{SEAL_OVERHEAD, Shape};

#[derive(Deserialize)]
struct Index {
    key_file: String,
    later_secret: String,
    set: String,
    writer: String,
    provider: String,
    extents: Vec<Facts>,
    membership: MembershipFacts,
}

#[derive(Deserialize)]
struct Facts {
    label: String,
    kind: String,
    k: u16,
    n: u16,
    quorum: u16,
    cipher: u8,
    chunk_len: u32,
    key_id: u32,
    header_len: u16,
    fragment_len: u64,
    payload_len: u64,
    name: String,
    owner: OwnerFacts,
    epoch: u64,
    sequence: u64,
    id: String,
    group: String,
    salt: String,
    commitment: String,
    digest: String,
    copies: Vec<u64>,
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct OwnerFacts {
    object_len: Option<u64>,
    ordinal: Option<u32>,
    modified: Option<i64>,
    policy: Option<String>,
    #[serde(default)]
    others: std::collections::BTreeMap<u16, String>,
}

#[derive(Deserialize)]
struct MembershipFacts {
    version: u64,
    members: Vec<MemberFacts>,
    salt: String,
    copy: u64,
    key: String,
}

#[derive(Deserialize)]
struct MemberFacts {
    id: String,
    name: String,
    weight: f64,
    state: MemberState,
    since: u64,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/fragment/v1")
}

fn file(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap()
}

/// The golden set: what `index.json` tells, and the keys.
struct Golden {
    index: Index,
    keys: Keys,
}

impl Golden {
    fn read() -> Golden {
        let index: Index = serde_json::from_slice(&file("index.json")).unwrap();
        let mut keys = Keys::new(&SetSecret::parse(&index.key_file).unwrap());
        keys.add(1, &hex(&index.later_secret));
        Golden { index, keys }
    }

    fn facts(&self, label: &str) -> &Facts {
        self.index.extents.iter().find(|facts| facts.label == label).unwrap()
    }

    fn header(&self, facts: &Facts, index: u16) -> Header {
        let overhead = if facts.cipher == 1 { SEAL_OVERHEAD } else { 0 };
        let Facts {
            k,
            n,
            chunk_len,
            payload_len,
            ..
        } = *facts;
        Header {
            header_len: facts.header_len,
            kind: kind(&facts.kind),
            sealed: facts.cipher == 1,
            shape: Shape {
                k,
                n,
                chunk_len,
                overhead,
                payload_len,
            },
            quorum: facts.quorum,
            index,
            key_id: facts.key_id,
            extent: ExtentId(hex(&facts.id)),
            generation: self.generation(facts.epoch, facts.sequence),
            copy: facts.copies[usize::from(index)],
            group: Group(hex(&facts.group)),
            salt: hex(&facts.salt),
        }
    }

    fn generation(&self, epoch: u64, sequence: u64) -> Generation {
        Generation {
            epoch,
            sequence,
            writer: WriterId(hex(&self.index.writer)),
        }
    }

    /// All fragments of all extents.
    fn fragments(&self) -> impl Iterator<Item = (&Facts, Header, Vec<u8>)> {
        let of = |facts| {
            (0_u16..)
                .zip(&(facts as &Facts).keys)
                .map(move |(index, _)| (facts, index))
        };
        self.index.extents.iter().flat_map(of).map(|(facts, index)| {
            (
                facts,
                self.header(facts, index),
                file(&format!("{}/{index}", facts.label)),
            )
        })
    }

    fn entry(&self, label: &str, len: u64) -> Entry {
        let facts = self.facts(label);
        let generation = self.generation(facts.epoch, facts.sequence);
        Entry {
            extent: ExtentId(hex(&facts.id)),
            len,
            digest: hex(&facts.digest),
            generation,
        }
    }
}

fn kind(word: &str) -> Kind {
    let words = [
        "root-data",
        "root-manifest",
        "part",
        "pack",
        "tombstone",
        "void",
        "checkpoint",
        "journal",
        "epoch",
    ];
    let at = words.iter().position(|known| *known == word).unwrap();
    Kind::from_number(u8::try_from(at + 1).unwrap()).unwrap()
}

fn owner(facts: &Facts) -> Owner {
    let told = &facts.owner;
    if told.object_len.is_none() {
        return Owner::default();
    }
    let bytes = |hex: &String| HEXLOWER.decode(hex.as_bytes()).unwrap();
    Owner {
        name: Some(facts.name.clone()),
        object_len: told.object_len,
        ordinal: told.ordinal,
        modified: told.modified,
        digest: Some(hex(&facts.digest)),
        policy: told.policy.clone(),
        others: told
            .others
            .iter()
            .map(|(record, value)| (*record, bytes(value)))
            .collect(),
    }
}

/// Codes a payload into the frames of all fragments, and the extent's digest.
fn frames(keys: &Keys, header: &Header, payload: &[u8]) -> (Vec<Vec<u8>>, Digest) {
    let (shape, tags) = (header.shape, header.frame_keys(keys).unwrap());
    let (cipher, code) = (
        header.cipher(keys).unwrap(),
        Code::new(shape.k.into(), shape.n.into()).unwrap(),
    );
    let (mut fragments, mut digest) = (vec![Vec::new(); shape.n.into()], ExtentDigest::new());
    for stripe in 0..shape.stripes() {
        let mut chunks = vec![vec![0; shape.coded_len(stripe) as usize]; shape.n.into()];
        let (data, parity) = chunks.split_at_mut(shape.k.into());
        for (number, chunk) in (0..).zip(data.iter_mut()) {
            let carried = &payload[within(&shape.chunk_payload(stripe, number))];
            chunk[..carried.len()].copy_from_slice(carried);
            if let Some(cipher) = &cipher {
                cipher.seal(stripe * u64::from(shape.k) + u64::from(number), chunk);
            }
        }
        let data: Vec<&[u8]> = data.iter().map(|chunk| &chunk[..]).collect();
        code.encode(
            &data,
            &mut parity.iter_mut().map(|chunk| &mut chunk[..]).collect::<Vec<_>>(),
        );
        for (number, chunk) in (0..).zip(&chunks) {
            let tag = tags.tag(number, stripe, chunk);
            fragments[usize::from(number)].extend_from_slice(&[chunk, &tag[..]].concat());
            if number < shape.k {
                digest.push(&tag);
            }
        }
    }
    (fragments, digest.finish())
}

/// Reads the payload out of the fragments of these indices, k of them.
fn payload(keys: &Keys, header: &Header, blobs: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let (shape, tags) = (header.shape, header.frame_keys(keys).unwrap());
    let (cipher, code) = (
        header.cipher(keys).unwrap(),
        Code::new(shape.k.into(), shape.n.into()).unwrap(),
    );
    let mut payload = Vec::new();
    let start = usize::from(header.header_len);
    let good = |stripe, (index, blob): &(u16, Vec<u8>)| {
        let found = cut(&tags, *index, 0..shape.stripes(), &blob[start..])
            .nth(stripe)
            .unwrap();
        found.1.good().unwrap().to_vec()
    };
    for stripe in 0..shape.stripes() {
        let at = usize::try_from(stripe).unwrap();
        let have: Vec<(usize, Vec<u8>)> = blobs.iter().map(|blob| (blob.0.into(), good(at, blob))).collect();
        let have: Vec<(usize, &[u8])> = have.iter().map(|(index, chunk)| (*index, &chunk[..])).collect();
        let mut chunks = vec![vec![0; shape.coded_len(stripe) as usize]; shape.k.into()];
        let mut want: Vec<(usize, &mut [u8])> = chunks.iter_mut().map(|chunk| &mut chunk[..]).enumerate().collect();
        code.reconstruct(&have, &mut want).unwrap();
        for (number, chunk) in (0..).zip(&chunks) {
            let index = stripe * u64::from(shape.k) + u64::from(number);
            let mut plain = vec![0; shape.plain_len(stripe) as usize];
            match &cipher {
                Some(cipher) => cipher.open_into(index, chunk, &mut plain).unwrap(),
                None => plain.copy_from_slice(chunk),
            }
            let carried = within(&shape.chunk_payload(stripe, number)).len();
            assert!(plain[carried..].iter().all(|byte| *byte == 0), "the padding is zero");
            payload.extend_from_slice(&plain[..carried]);
        }
    }
    payload
}

fn within(range: &Range<u64>) -> Range<usize> {
    usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()
}

#[test]
fn every_golden_key_tells_its_fragment() {
    let golden = Golden::read();
    assert_eq!(golden.keys.set(), SetId(hex(&golden.index.set)));
    assert_eq!(
        *SetSecret::parse(&golden.index.key_file).unwrap().to_text(),
        golden.index.key_file
    );
    for (facts, header, blob) in golden.fragments() {
        let key = &facts.keys[usize::from(header.index)];
        assert_eq!(golden.keys.group(&facts.name), header.group, "{}", facts.label);
        assert_eq!(
            open_key(&golden.keys, key),
            Some((header.group, header.token())),
            "{}",
            facts.label
        );
        assert_eq!(header.key(&golden.keys), *key, "{}", facts.label);
        assert_eq!(facts.fragment_len, blob.len() as u64, "{}", facts.label);
    }
}

#[test]
fn every_golden_blob_is_sound() {
    let golden = Golden::read();
    for (facts, header, blob) in golden.fragments() {
        let report = scan::check(&blob, &golden.keys, &header).unwrap();
        assert!(report.is_sound(), "{}: {report:?}", facts.label);
        assert_eq!(report.header, Ok(owner(facts)), "{}", facts.label);
        let commitment = header
            .cipher(&golden.keys)
            .unwrap()
            .map_or([0; 32], |cipher| *cipher.commitment());
        assert_eq!(commitment, hex(&facts.commitment), "{}", facts.label);
    }
}

#[test]
fn the_first_and_the_last_k_fragments_give_the_golden_payload() {
    let golden = Golden::read();
    for facts in &golden.index.extents {
        for indices in [0..facts.k, facts.n - facts.k..facts.n] {
            let blobs: Vec<_> = indices
                .map(|index| (index, file(&format!("{}/{index}", facts.label))))
                .collect();
            let read = payload(&golden.keys, &golden.header(facts, 0), &blobs);
            assert_eq!(read, file(&format!("{}/payload", facts.label)), "{}", facts.label);
        }
    }
}

#[test]
fn the_same_values_make_the_same_bytes() {
    let golden = Golden::read();
    for facts in &golden.index.extents {
        let payload = file(&format!("{}/payload", facts.label));
        let (frames, digest) = frames(&golden.keys, &golden.header(facts, 0), &payload);
        assert_eq!(digest, hex(&facts.digest), "{}", facts.label);
        assert_eq!(owner(facts).header_len(), facts.header_len, "{}", facts.label);
        for (index, frames) in (0..).zip(frames) {
            let header = golden.header(facts, index).encode(&golden.keys, &owner(facts)).unwrap();
            assert!(
                [header, frames].concat() == file(&format!("{}/{index}", facts.label)),
                "{} {index}",
                facts.label
            );
        }
    }
}

#[test]
fn golden_manifests_list_their_extents() {
    let golden = Golden::read();
    let lower = Manifest::of_data(vec![golden.entry("part-0", 600), golden.entry("part-1", 500)]);
    let root = Manifest {
        digest: lower.digest,
        ..Manifest::of_manifests(1, vec![golden.entry("manifest", 1100)])
    };
    for (label, manifest) in [("manifest", lower), ("root-manifest", root)] {
        let bytes = file(&format!("{label}/payload"));
        assert_eq!(manifest.encode(), bytes);
        assert_eq!(Manifest::decode(&bytes), Ok(manifest));
    }
}

#[test]
fn the_golden_pack_holds_its_versions() {
    let golden = Golden::read();
    let facts = golden.facts("pack");
    let place = PackPlace {
        key_id: 0,
        extent: ExtentId(hex(&facts.id)),
        salt: hex(&facts.salt),
    };
    assert_eq!(place.name(), facts.name);
    let ramp: Vec<u8> = (0..30).collect();
    let versions: [(&str, u64, i64, Option<&[u8]>); 4] = [
        ("a", 2, 5, Some(b"bytes of a")),
        ("gone", 3, -6, None),
        ("empty", 4, 7, Some(b"")),
        ("ä", 5, 8, Some(&ramp)),
    ];
    let mut payload = Vec::new();
    let entries: Vec<_> = versions
        .into_iter()
        .map(|(name, sequence, modified, bytes)| {
            pack::push(&mut payload, name, golden.generation(3, sequence), modified, bytes)
        })
        .collect();
    pack::finish(&mut payload, &entries, &golden.keys, &place).unwrap();
    let bytes = file("pack/payload");
    assert_eq!(payload, bytes);
    assert_eq!(
        pack::directory(&bytes, bytes.len() as u64, &golden.keys, &place),
        Ok(entries)
    );
}

#[test]
fn golden_identities_tell_set_and_members() {
    let golden = Golden::read();
    let (keys, provider) = (&golden.keys, ProviderId(hex(&golden.index.provider)));
    assert_eq!(identity::decode_identity(keys, &file("identity")), Ok(provider));
    assert_eq!(identity::encode_identity(keys, provider), file("identity"));

    let facts = &golden.index.membership;
    let member = |facts: &MemberFacts| Member {
        id: ProviderId::parse(&facts.id).unwrap(),
        name: facts.name.clone(),
        weight: facts.weight,
        state: facts.state,
        since: facts.since,
    };
    let membership = Membership {
        version: facts.version,
        members: facts.members.iter().map(member).collect(),
        keyring: vec![LaterSecret {
            id: 1,
            secret: hex(&golden.index.later_secret).into(),
        }],
    };
    assert_eq!(
        identity::encode_membership(keys, provider, &membership, &hex(&facts.salt)),
        file("membership")
    );
    assert_eq!(
        identity::decode_membership(keys, &file("membership")),
        Ok((provider, membership))
    );
    assert_eq!(identity::membership_key(facts.version, facts.copy), facts.key);
}
