//! What stands on each provider beside fragments: whose it is, and who belongs to the set. An empty or foreign bucket is so never taken
//! for one whose fragments are all gone. The rules are `docs/format.md` 8.
//!
//! ```text
//! identity/set                      set, provider | tag                              written once, when it is attached
//! identity/<version><copy>          set, provider, version, salt | sealed body | tag     one for each membership version
//! ```

#![deny(clippy::indexing_slicing)]

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::cursor::{Cursor, is_zero};
use super::id::{BASE32, ProviderId, SetId};
use super::key::IDENTITY_PREFIX;
use super::secret::Keys;
use crate::cipher::{open_alone, seal_alone};

/// The key of the blob that tells whose provider this is.
pub const IDENTITY_KEY: &str = "identity/set";

/// What both blobs begin with.
pub const MAGIC: [u8; 8] = *b"RAICIDN1";

const VERSION: u16 = 1;

/// Bytes before the body.
pub const HEAD_LEN: usize = 88;

/// The longest sealed body, in bytes.
pub const MAX_BODY_LEN: usize = 1 << 20;

/// The longest blob, in bytes: nobody has to read more.
pub const MAX_LEN: usize = HEAD_LEN + MAX_BODY_LEN + 32;

/// Why an identity or membership blob is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// More or fewer bytes than it says.
    #[error("identity blob is {got} bytes, {want} are needed")]
    Length {
        /// Bytes that are needed.
        want: usize,
        /// Bytes there are.
        got: usize,
    },
    /// Something else.
    #[error("not an identity blob: it does not begin with RAICIDN1")]
    Magic,
    /// Made by a later RAIC.
    #[error("identity blob of version {found}, this RAIC knows {VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// It is another set's.
    #[error("belongs to set {found}")]
    OtherSet {
        /// Whose, as it says; not proved.
        found: SetId,
    },
    /// Damaged or forged.
    #[error("identity blob does not match its tag")]
    Tag,
    /// Proved, but it has no body where one should be, or the other way round, or fields that are not zero.
    #[error("identity blob is not of the sort that its key says")]
    Sort,
    /// Proved, but the body can't be read.
    #[error("membership: {0}")]
    Body(String),
}

/// The members of a set at one version, and the secrets of later key ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Membership {
    /// Rises with every change, from 1.
    pub version: u64,
    /// All members ever.
    pub members: Vec<Member>,
    /// Secrets of key ids above 0.
    pub keyring: Vec<LaterSecret>,
}

/// A provider's part in the set.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its random name.
    pub id: ProviderId,
    /// Its name in the configuration.
    pub name: String,
    /// Share of placements; 1 is even.
    pub weight: f64,
    /// What it may be used for.
    pub state: MemberState,
    /// The membership version at which it came.
    pub since: u64,
}

/// What a member may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// Reads and writes.
    Active,
    /// Reads only; keeps what it has.
    ReadOnly,
    /// Reads only; what it has moves away.
    Draining,
    /// Declared lost by its owner.
    Lost,
    /// Left after a drain.
    Removed,
}

/// The secret of a later key id, for [`Keys::add`].
#[derive(Clone, PartialEq, Eq)]
pub struct LaterSecret {
    /// The key id, above 0.
    pub id: u32,
    /// 32 random bytes.
    pub secret: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for LaterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaterSecret")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The blob [`IDENTITY_KEY`] of a provider.
pub fn encode_identity(keys: &Keys, provider: ProviderId) -> Vec<u8> {
    let mut blob = head(keys, 0, provider, 0, &[0; 32]);
    append_tag(keys, &mut blob);
    blob
}

/// Reads the blob [`IDENTITY_KEY`]: which provider of the set this is.
pub fn decode_identity(keys: &Keys, blob: &[u8]) -> Result<ProviderId, IdentityError> {
    let (head, body) = prove(keys, blob)?;
    let plain = body.is_empty() && head.version == 0 && is_zero(&head.salt);
    plain.then_some(head.provider).ok_or(IdentityError::Sort)
}

/// The key of a membership blob; `copy` is random, new for each write.
pub fn membership_key(version: u64, copy: u64) -> String {
    let [version, copy] = [version, copy].map(|number| BASE32.encode(&number.to_be_bytes()));
    format!("{IDENTITY_PREFIX}{version}{copy}")
}

/// The version and copy of [`membership_key`]; `None` for any other key.
pub fn parse_membership_key(key: &str) -> Option<(u64, u64)> {
    let (version, copy) = key.strip_prefix(IDENTITY_PREFIX)?.split_at_checked(13)?;
    let number = |text: &str| {
        Some(u64::from_be_bytes(
            BASE32.decode(text.as_bytes()).ok()?.try_into().ok()?,
        ))
    };
    Some((number(version)?, number(copy)?))
}

/// A membership blob for one provider. `salt` is 32 random bytes, new for each blob.
///
/// # Panics
/// If the version or a key id is 0, a weight is not a positive number, or all together is more than a blob holds.
pub fn encode_membership(keys: &Keys, provider: ProviderId, membership: &Membership, salt: &[u8; 32]) -> Vec<u8> {
    membership.check().expect("the membership is one");
    let mut body = Body::from(membership).to_json();
    let sealed_len = body.len() + crate::cipher::SEAL_LEN;
    assert!(
        sealed_len <= MAX_BODY_LEN,
        "membership of {sealed_len} bytes, {MAX_BODY_LEN} fit"
    );
    let sealed_len = u32::try_from(sealed_len).expect("at most 1 MiB");
    let mut blob = head(keys, sealed_len, provider, membership.version, salt);
    seal_alone(keys.identity_key().key(&[b"body", salt]).bytes(), &blob, &mut body);
    blob.extend_from_slice(&body);
    append_tag(keys, &mut blob);
    blob
}

/// Reads a membership blob: for which provider it was written, and what it says.
pub fn decode_membership(keys: &Keys, blob: &[u8]) -> Result<(ProviderId, Membership), IdentityError> {
    let (head, sealed) = prove(keys, blob)?;
    if sealed.is_empty() || head.version == 0 {
        return Err(IdentityError::Sort);
    }
    let known = blob.get(..HEAD_LEN).ok_or(IdentityError::Sort)?;
    let body = open_alone(keys.identity_key().key(&[b"body", &head.salt]).bytes(), known, sealed);
    let body = body.map_err(|error| IdentityError::Body(error.to_string()))?;
    let membership = Body::parse(&body).map_err(IdentityError::Body)?;
    if membership.version != head.version {
        let said = format!("version {} in a blob of version {}", membership.version, head.version);
        return Err(IdentityError::Body(said));
    }
    Ok((head.provider, membership))
}

struct Head {
    provider: ProviderId,
    version: u64,
    salt: [u8; 32],
}

fn head(keys: &Keys, body_len: u32, provider: ProviderId, version: u64, salt: &[u8; 32]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&body_len.to_le_bytes());
    bytes.extend_from_slice(&keys.set().0);
    bytes.extend_from_slice(&provider.0);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(salt);
    bytes
}

fn append_tag(keys: &Keys, blob: &mut Vec<u8>) {
    let tag = keys.identity_key().hash(&[blob]);
    blob.extend_from_slice(tag.as_bytes());
}

/// Checks lengths and tag; gives the head and the body as it is stored.
fn prove<'a>(keys: &Keys, blob: &'a [u8]) -> Result<(Head, &'a [u8]), IdentityError> {
    let short = IdentityError::Length {
        want: HEAD_LEN + 32,
        got: blob.len(),
    };
    let (proved, tag) = blob.split_last_chunk::<32>().ok_or(short.clone())?;
    let mut fields = Cursor::new(proved);
    let (magic, version, reserved) = read_start(&mut fields).ok_or(short.clone())?;
    if magic != MAGIC {
        return Err(IdentityError::Magic);
    }
    if version != VERSION {
        return Err(IdentityError::Version { found: version });
    }
    let (body_len, set, head) = read_rest(&mut fields).ok_or(short)?;
    if set != keys.set() {
        return Err(IdentityError::OtherSet { found: set });
    }
    let expected = keys.identity_key().hash(&[proved]);
    if !bool::from(expected.as_bytes().ct_eq(tag)) {
        return Err(IdentityError::Tag);
    }
    if reserved != 0 {
        return Err(IdentityError::Sort);
    }
    let (body, body_len) = (fields.rest(), body_len as usize);
    if body_len != body.len() || body_len > MAX_BODY_LEN {
        return Err(IdentityError::Length {
            want: HEAD_LEN + body_len + 32,
            got: blob.len(),
        });
    }
    Ok((head, body))
}

fn read_start(fields: &mut Cursor<'_>) -> Option<([u8; 8], u16, u16)> {
    Some((fields.array()?, fields.u16()?, fields.u16()?))
}

fn read_rest(fields: &mut Cursor<'_>) -> Option<(u32, SetId, Head)> {
    let (body_len, set) = (fields.u32()?, SetId(fields.array()?));
    let head = Head {
        provider: ProviderId(fields.array()?),
        version: fields.u64()?,
        salt: fields.array()?,
    };
    Some((body_len, set, head))
}

impl Membership {
    fn check(&self) -> Result<(), String> {
        if self.version == 0 {
            return Err("version 0".to_owned());
        }
        if let Some(member) = self
            .members
            .iter()
            .find(|member| !(member.weight.is_finite() && member.weight > 0.0))
        {
            return Err(format!("weight {} of {}", member.weight, member.name));
        }
        if self.keyring.iter().any(|later| later.id == 0) {
            return Err("a later secret with key id 0".to_owned());
        }
        Ok(())
    }
}

/// The body as it is written. Unknown fields are skipped.
#[derive(Serialize, Deserialize)]
struct Body {
    version: u64,
    members: Vec<BodyMember>,
    keyring: Vec<BodySecret>,
}

#[derive(Serialize, Deserialize)]
struct BodyMember {
    id: String,
    name: String,
    weight: f64,
    state: MemberState,
    since: u64,
}

#[derive(Serialize, Deserialize)]
struct BodySecret {
    id: u32,
    secret: String,
}

impl Drop for BodySecret {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl From<&Membership> for Body {
    fn from(membership: &Membership) -> Body {
        let member = |member: &Member| BodyMember {
            id: member.id.to_string(),
            name: member.name.clone(),
            weight: member.weight,
            state: member.state,
            since: member.since,
        };
        let later = |later: &LaterSecret| BodySecret {
            id: later.id,
            secret: BASE32.encode(&later.secret[..]),
        };
        Body {
            version: membership.version,
            members: membership.members.iter().map(member).collect(),
            keyring: membership.keyring.iter().map(later).collect(),
        }
    }
}

impl Body {
    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers, texts and lists have a JSON form")
    }

    fn parse(json: &[u8]) -> Result<Membership, String> {
        let body: Body = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let membership = Membership {
            version: body.version,
            members: body
                .members
                .into_iter()
                .map(BodyMember::parse)
                .collect::<Result<_, _>>()?,
            keyring: body.keyring.iter().map(BodySecret::parse).collect::<Result<_, _>>()?,
        };
        membership.check()?;
        Ok(membership)
    }
}

impl BodyMember {
    fn parse(self) -> Result<Member, String> {
        let id = ProviderId::parse(&self.id).ok_or_else(|| format!("id of member {}", self.name))?;
        Ok(Member {
            id,
            name: self.name,
            weight: self.weight,
            state: self.state,
            since: self.since,
        })
    }
}

impl BodySecret {
    fn parse(&self) -> Result<LaterSecret, String> {
        let bytes = BASE32.decode(self.secret.as_bytes()).map(Zeroizing::new).ok();
        let secret = bytes.and_then(|bytes| Some(Zeroizing::new(*bytes.as_array::<32>()?)));
        let secret = secret.ok_or_else(|| format!("secret of key id {}", self.id))?;
        Ok(LaterSecret { id: self.id, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::super::secret::SetSecret;
    use super::*;

    const PROVIDER: ProviderId = ProviderId([4; 16]);

    fn keys() -> Keys {
        Keys::new(&SetSecret::new([7; 32]))
    }

    fn membership() -> Membership {
        use MemberState::{Active, Draining, Lost, ReadOnly, Removed};
        let member = |number: u8, state| Member {
            id: ProviderId([number; 16]),
            name: format!("cloud \"{number}\" ü"),
            weight: 0.1 * f64::from(number),
            state,
            since: number.into(),
        };
        Membership {
            version: 12,
            members: (1..)
                .zip([Active, ReadOnly, Draining, Lost, Removed])
                .map(|(n, state)| member(n, state))
                .collect(),
            keyring: vec![LaterSecret {
                id: 3,
                secret: Zeroizing::new([9; 32]),
            }],
        }
    }

    fn tagged(mut head: Vec<u8>) -> Vec<u8> {
        append_tag(&keys(), &mut head);
        head
    }

    #[test]
    fn a_provider_says_whose_it_is() {
        let blob = encode_identity(&keys(), PROVIDER);
        assert_eq!(blob.len(), 120);
        assert_eq!(decode_identity(&keys(), &blob), Ok(PROVIDER));
        let stranger = Keys::new(&SetSecret::new([8; 32]));
        assert_eq!(
            decode_identity(&stranger, &blob),
            Err(IdentityError::OtherSet { found: keys().set() })
        );
    }

    #[test]
    fn a_membership_reads_back() {
        let blob = encode_membership(&keys(), PROVIDER, &membership(), &[5; 32]);
        assert_eq!(decode_membership(&keys(), &blob), Ok((PROVIDER, membership())));
        let text = String::from_utf8_lossy(&blob);
        assert!(!text.contains("cloud") && !text.contains(&BASE32.encode(&[9; 32])));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let blobs = [
            encode_identity(&keys(), PROVIDER),
            encode_membership(&keys(), PROVIDER, &membership(), &[5; 32]),
        ];
        for blob in blobs {
            let refused =
                |bytes: &[u8]| decode_identity(&keys(), bytes).is_err() && decode_membership(&keys(), bytes).is_err();
            for bit in 0..blob.len() * 8 {
                let mut flipped = blob.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(refused(&flipped), "bit {bit}");
            }
            assert!((0..blob.len()).all(|len| refused(&blob[..len])));
            assert!(refused(&[&blob[..], &[0]].concat()));
        }
    }

    #[test]
    fn one_sort_is_not_taken_for_the_other() {
        let identity = encode_identity(&keys(), PROVIDER);
        assert_eq!(decode_membership(&keys(), &identity), Err(IdentityError::Sort));
        let blob = encode_membership(&keys(), PROVIDER, &membership(), &[5; 32]);
        assert_eq!(decode_identity(&keys(), &blob), Err(IdentityError::Sort));
        let versioned = tagged(head(&keys(), 0, PROVIDER, 1, &[0; 32]));
        assert_eq!(decode_identity(&keys(), &versioned), Err(IdentityError::Sort));
        let long = tagged(head(&keys(), u32::MAX, PROVIDER, 0, &[0; 32]));
        let want = HEAD_LEN + u32::MAX as usize + 32;
        assert_eq!(
            decode_identity(&keys(), &long),
            Err(IdentityError::Length { want, got: 120 })
        );
    }

    #[test]
    fn unknown_fields_are_skipped_and_impossible_ones_refused() {
        let body = |members: &str, keyring: &str| {
            Body::parse(format!(r#"{{"version":1,"new":[],"members":[{members}],"keyring":[{keyring}]}}"#).as_bytes())
        };
        let member =
            |change: &str| format!(r#"{{"id":"{PROVIDER}","name":"x","weight":1,"state":"active","since":1{change}}}"#);
        assert_eq!(body(&member(r#","color":"red""#), "").unwrap().members[0].id, PROVIDER);
        for bad in [
            member("").replace("active", "gone"),
            member("").replace(":1,\"state", ":-1,\"state"),
            member("").replace(&PROVIDER.to_string(), "x"),
        ] {
            assert!(body(&bad, "").is_err(), "{bad}");
        }
        for bad in [
            r#"{"id":1,"secret":"aa"}"#,
            &format!(r#"{{"id":0,"secret":"{}"}}"#, BASE32.encode(&[1; 32])),
        ] {
            assert!(body("", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn membership_keys_tell_version_and_copy() {
        let key = membership_key(3, 4);
        assert_eq!(parse_membership_key(&key), Some((3, 4)));
        for other in [
            "",
            "identity/",
            IDENTITY_KEY,
            &key[1..],
            &key[..key.len() - 1],
            &format!("{key}a"),
        ] {
            assert_eq!(parse_membership_key(other), None, "{other}");
        }
    }

    #[test]
    fn debug_tells_no_secret() {
        assert!(format!("{:?}", membership()).contains("LaterSecret { id: 3, .. }"));
    }
}
