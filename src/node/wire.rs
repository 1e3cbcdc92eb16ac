//! The protocol's messages as CBOR. What comes in is read with the bounds of the specification and refused as a whole if it has one key too many.
//!
//! Lengths must be written before what they count; a request needs no more memory than a few times its bytes, whatever it says.

#![deny(clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use minicbor::data::{Tag, Type};
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};

use super::server::{Allocated, ReadTestWrite, ReadTestWritten, Refusal, Test, TestWrite, Version, Written};

/// The tag of sets.
const SET: Tag = Tag::new(258);

/// Share numbers in a set, shares in a read-test-write.
const MOST_SHARES: u64 = 256;

/// Test vectors of a share, read vectors of a request.
const MOST_VECTORS: u64 = 30;

/// The longest reason of an advisory, in bytes.
const LONGEST_REASON: usize = 32_765;

/// What this program calls itself in the version message.
const APPLICATION: &str = concat!("raic/", env!("CARGO_PKG_VERSION"));

type Read<T> = Result<T, Error>;

/// The request of an allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The shares asked for.
    pub numbers: BTreeSet<u8>,
    /// Bytes of each of them.
    pub size: u64,
}

/// Reads an allocation.
pub fn allocation(body: &[u8]) -> Result<Allocation, Refusal> {
    message(body, |d| {
        let (mut numbers, mut size) = (None, None);
        fields(d, |d, key| {
            match key {
                "share-numbers" => once(&mut numbers, set(d)?)?,
                "allocated-size" => once(&mut size, d.u64()?)?,
                _ => return Err(Error::message("an unknown key")),
            }
            Ok(())
        })?;
        Ok(Allocation {
            numbers: there(numbers)?,
            size: there(size)?,
        })
    })
}

/// Reads a corruption advisory.
pub fn advisory(body: &[u8]) -> Result<String, Refusal> {
    message(body, |d| {
        let mut reason = None;
        fields(d, |d, key| match key {
            "reason" => once(&mut reason, d.str()?.to_owned()),
            _ => Err(Error::message("an unknown key")),
        })?;
        let reason = there(reason)?;
        if (1..=LONGEST_REASON).contains(&reason.len()) {
            Ok(reason)
        } else {
            Err(Error::message("the reason's length"))
        }
    })
}

/// Reads a read-test-write. Specimens and data stay where they are in `body`.
pub fn read_test_write(body: &Bytes) -> Result<ReadTestWrite, Refusal> {
    message(body, |d| {
        let (mut shares, mut reads) = (None, None);
        fields(d, |d, key| match key {
            "test-write-vectors" => once(&mut shares, test_writes(d, body)?),
            "read-vector" => once(&mut reads, list(d, Some(MOST_VECTORS), read_vector)?),
            _ => Err(Error::message("an unknown key")),
        })?;
        Ok(ReadTestWrite {
            shares: there(shares)?,
            reads: there(reads)?,
        })
    })
}

fn test_writes(d: &mut Decoder<'_>, body: &Bytes) -> Read<BTreeMap<u8, TestWrite>> {
    let count = counted(d.map()?, Some(MOST_SHARES))?;
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        let number = d.u8()?;
        if shares.insert(number, test_write(d, body)?).is_some() {
            return Err(Error::message("a share twice"));
        }
    }
    Ok(shares)
}

fn test_write(d: &mut Decoder<'_>, body: &Bytes) -> Read<TestWrite> {
    let (mut tests, mut writes, mut new_len) = (None, None, None);
    fields(d, |d, key| match key {
        "test" => once(&mut tests, list(d, Some(MOST_VECTORS), |d| test(d, body))?),
        "write" => once(&mut writes, list(d, None, |d| write(d, body))?),
        "new-length" => {
            let len = if d.datatype()? == Type::Null {
                d.null()?;
                None
            } else {
                Some(d.u64()?)
            };
            once(&mut new_len, len)
        }
        _ => Err(Error::message("an unknown key")),
    })?;
    Ok(TestWrite {
        tests: there(tests)?,
        writes: there(writes)?,
        new_len: there(new_len)?,
    })
}

fn test(d: &mut Decoder<'_>, body: &Bytes) -> Read<Test> {
    let (mut offset, mut size, mut specimen) = (None, None, None);
    fields(d, |d, key| match key {
        "offset" => once(&mut offset, d.u64()?),
        "size" => once(&mut size, d.u64()?),
        "specimen" => once(&mut specimen, body.slice_ref(d.bytes()?)),
        _ => Err(Error::message("an unknown key")),
    })?;
    Ok(Test {
        offset: there(offset)?,
        size: there(size)?,
        specimen: there(specimen)?,
    })
}

fn write(d: &mut Decoder<'_>, body: &Bytes) -> Read<(u64, Bytes)> {
    let (mut offset, mut data) = (None, None);
    fields(d, |d, key| match key {
        "offset" => once(&mut offset, d.u64()?),
        "data" => once(&mut data, body.slice_ref(d.bytes()?)),
        _ => Err(Error::message("an unknown key")),
    })?;
    Ok((there(offset)?, there(data)?))
}

fn read_vector(d: &mut Decoder<'_>) -> Read<(u64, u64)> {
    let (mut offset, mut size) = (None, None);
    fields(d, |d, key| match key {
        "offset" => once(&mut offset, d.u64()?),
        "size" => once(&mut size, d.u64()?),
        _ => Err(Error::message("an unknown key")),
    })?;
    Ok((there(offset)?, there(size)?))
}

/// One item that takes all of `body`.
fn message<T>(body: &[u8], read: impl FnOnce(&mut Decoder<'_>) -> Read<T>) -> Result<T, Refusal> {
    let mut decoder = Decoder::new(body);
    match read(&mut decoder) {
        Ok(message) if decoder.position() == body.len() => Ok(message),
        _ => Err(Refusal::Input("the message")),
    }
}

/// A map with text keys.
fn fields<'b>(d: &mut Decoder<'b>, mut field: impl FnMut(&mut Decoder<'b>, &str) -> Read<()>) -> Read<()> {
    for _ in 0..counted(d.map()?, Some(MOST_VECTORS))? {
        let key = d.str()?;
        field(d, key)?;
    }
    Ok(())
}

fn list<'b, T>(
    d: &mut Decoder<'b>,
    most: Option<u64>,
    mut item: impl FnMut(&mut Decoder<'b>) -> Read<T>,
) -> Read<Vec<T>> {
    let count = counted(d.array()?, most)?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(item(d)?);
    }
    Ok(items)
}

/// Share numbers, tagged as a set; the same twice is once.
fn set(d: &mut Decoder<'_>) -> Read<BTreeSet<u8>> {
    if d.tag()? != SET {
        return Err(Error::message("no set"));
    }
    Ok(list(d, Some(MOST_SHARES), Decoder::u8)?.into_iter().collect())
}

fn counted(count: Option<u64>, most: Option<u64>) -> Read<u64> {
    match count {
        Some(count) if most.is_none_or(|most| count <= most) => Ok(count),
        _ => Err(Error::message("too many, or not counted")),
    }
}

fn once<T>(field: &mut Option<T>, value: T) -> Read<()> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::message("a key twice")),
    }
}

fn there<T>(field: Option<T>) -> Read<T> {
    field.ok_or_else(|| Error::message("a key is missing"))
}

/// Memory doesn't fail to be written.
const INFALLIBLE: &str = "a vector takes all bytes";

/// The version message: the one whose keys are byte strings.
#[must_use]
pub fn version(version: &Version) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    let mut put = || {
        e.map(2)?
            .bytes(b"http://allmydata.org/tahoe/protocols/storage/v1")?
            .map(3)?;
        e.bytes(b"maximum-immutable-share-size")?
            .u64(version.longest_immutable)?;
        e.bytes(b"maximum-mutable-share-size")?.u64(version.longest_mutable)?;
        e.bytes(b"available-space")?.u64(version.space)?;
        e.bytes(b"application-version")?.bytes(APPLICATION.as_bytes())?;
        Ok::<(), minicbor::encode::Error<_>>(())
    };
    put().expect(INFALLIBLE);
    e.into_writer()
}

/// The answer to an allocation.
#[must_use]
pub fn allocated(allocated: &Allocated) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    e.map(2).and_then(|e| e.str("already-have")).expect(INFALLIBLE);
    put_set(&mut e, &allocated.already_have);
    e.str("allocated").expect(INFALLIBLE);
    put_set(&mut e, &allocated.allocated);
    e.into_writer()
}

/// A list of share numbers.
#[must_use]
pub fn numbers(numbers: &BTreeSet<u8>) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    put_set(&mut e, numbers);
    e.into_writer()
}

/// The answer to a write.
#[must_use]
pub fn written(written: &Written) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    let mut put = || {
        e.map(1)?.str("required")?.array(written.required.len() as u64)?;
        for gap in &written.required {
            e.map(2)?.str("begin")?.u64(gap.start)?.str("end")?.u64(gap.end)?;
        }
        Ok::<(), minicbor::encode::Error<_>>(())
    };
    put().expect(INFALLIBLE);
    e.into_writer()
}

/// The answer to a read-test-write.
#[must_use]
pub fn read_test_written(answer: &ReadTestWritten) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    let mut put = || {
        e.map(2)?.str("success")?.bool(answer.success)?;
        e.str("data")?.map(answer.data.len() as u64)?;
        for (number, vectors) in &answer.data {
            e.u8(*number)?.array(vectors.len() as u64)?;
            for bytes in vectors {
                e.bytes(bytes)?;
            }
        }
        Ok::<(), minicbor::encode::Error<_>>(())
    };
    put().expect(INFALLIBLE);
    e.into_writer()
}

fn put_set(e: &mut Encoder<Vec<u8>>, numbers: &BTreeSet<u8>) {
    e.tag(SET)
        .and_then(|e| e.array(numbers.len() as u64))
        .expect(INFALLIBLE);
    for number in numbers {
        e.u8(*number).expect(INFALLIBLE);
    }
}

#[cfg(test)]
mod tests;
