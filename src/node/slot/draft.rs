//! A slot as it will be: the head with the changes of the requests before, none of which is stored yet.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::super::provider::{Change, Object, STEP, Trouble};
use super::super::range::Filled;
use super::super::secret::Hashed;
use super::super::server::{ReadTestWrite, ReadTestWritten, Refusal, Test, TestWrite};
use super::image::{Entry, FOOTER_LEN, Run, Table};

/// Bytes of the longest share of a slot.
pub const LONGEST: u64 = 1 << 40;

/// Zero bytes that one request may make by writing past the ends of shares.
const MOST_ZEROS: u64 = 256 << 20;

/// Bytes that one request may read; clients take 30 MiB.
const MOST_READ: u64 = 32 << 20;

/// The least room that a share gets which has outgrown its place.
const LEAST_RUN: u64 = 4096;

/// Bytes at the end of an object that are read to find its table: enough for a share or two.
const TABLE_GUESS: u64 = 4096;

/// Where zero bytes come from.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// One version of a slot.
#[derive(Debug)]
pub struct Head {
    /// Its bytes.
    pub object: Arc<dyn Object>,
    /// What they are.
    pub table: Table,
}

impl Head {
    /// Reads the table of a slot's object.
    pub async fn of(object: Arc<dyn Object>) -> Result<Head, Trouble> {
        let bad = |error: super::image::NoImage| Trouble(error.to_string());
        let len = object.len();
        let guess = object.read(len.saturating_sub(TABLE_GUESS)..len).await?;
        let footer = guess.len().saturating_sub(usize::try_from(FOOTER_LEN).expect("16"));
        let table_len = Table::len_in(&guess[footer..], len).map_err(bad)? + FOOTER_LEN;
        let bytes = if table_len <= guess.len() as u64 {
            guess.slice(guess.len() - usize::try_from(table_len).expect("it is in memory")..)
        } else {
            pieces(object.as_ref(), len - table_len..len).await?
        };
        let table = Table::decode(&bytes, len).map_err(bad)?;
        Ok(Head { object, table })
    }

    /// Bytes `range` of one of its shares, in pieces: where in the object they lie, in order.
    #[must_use]
    pub fn places(entry: &Entry, range: Range<u64>) -> Vec<Range<u64>> {
        let (mut places, mut begin) = (Vec::new(), 0);
        for run in &entry.runs {
            let from = range.start.max(begin);
            let to = range.end.min(begin + run.len);
            if from < to {
                places.push(run.at + (from - begin)..run.at + (to - begin));
            }
            begin += run.len;
        }
        places
    }
}

/// What a request came to, if the change that it is part of is stored.
#[derive(Debug)]
pub struct Outcome {
    /// The answer.
    pub answer: ReadTestWritten,
    /// Shares that it named and that are there now, if its tests held.
    pub kept: Vec<u8>,
    /// Shares that it removed.
    pub gone: Vec<u8>,
}

impl Outcome {
    /// Shares that were taken away without a request.
    #[must_use]
    pub fn removal(numbers: &[u8]) -> Outcome {
        let answer = ReadTestWritten {
            success: true,
            data: BTreeMap::new(),
        };
        Outcome {
            answer,
            kept: Vec::new(),
            gone: numbers.to_vec(),
        }
    }
}

/// A slot with changes that are not stored.
#[derive(Debug)]
pub struct Draft {
    base: Option<Arc<Head>>,
    table: Table,
    patches: BTreeMap<u64, Bytes>,
}

impl Draft {
    /// A slot as it is; `None` if there is none.
    #[must_use]
    pub fn on(base: Option<Arc<Head>>) -> Draft {
        let table = base.as_ref().map_or_else(Table::default, |head| head.table.clone());
        Draft {
            base,
            table,
            patches: BTreeMap::new(),
        }
    }

    /// Carries out one request: enablers, tests, reads, writes. After a refusal nothing has changed.
    pub async fn apply(&mut self, request: &ReadTestWrite, enabler: Hashed) -> Result<Outcome, Refusal> {
        let opened = self
            .table
            .entries
            .iter()
            .map(|entry| Hashed(entry.enabler).is(&enabler));
        // All are compared, so that the time tells nothing.
        if !opened.fold(true, |all, one| all & one) {
            return Err(Refusal::Unauthorized);
        }
        let mut success = true;
        for (number, share) in &request.shares {
            for test in &share.tests {
                success &= self.holds(*number, test).await?;
            }
        }
        let data = self.read_all(&request.reads).await?;
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        if success {
            self.check_growth(request)?;
            for (number, share) in &request.shares {
                if share.new_len == Some(0) {
                    self.table.entries.retain(|entry| entry.number != *number);
                    gone.push(*number);
                } else {
                    self.write(*number, share, enabler);
                    kept.push(*number);
                }
            }
        }
        let answer = ReadTestWritten { success, data };
        Ok(Outcome { answer, kept, gone })
    }

    /// Takes shares away whatever their enablers.
    pub fn remove(&mut self, numbers: &[u8]) {
        self.table.entries.retain(|entry| !numbers.contains(&entry.number));
    }

    /// Whether anything is to be stored.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        match &self.base {
            None => !self.table.entries.is_empty(),
            Some(head) => !self.patches.is_empty() || head.table != self.table,
        }
    }

    /// The change of the object, with the table as it will be; `None` if no share is left.
    #[must_use]
    pub fn finish(mut self) -> (Option<Change>, Table) {
        if self.table.entries.is_empty() {
            return (None, self.table);
        }
        let (end, tail) = (self.table.data_end(), self.table.encode());
        self.cut_patches(end);
        let len = end + tail.len() as u64;
        let same = self
            .base
            .as_ref()
            .is_some_and(|head| head.object.len() == len && head.table == self.table);
        if !same {
            self.patches.insert(end, tail.into());
        }
        let change = Change {
            base: self.base.map(|head| head.object.clone()),
            patches: self.patches,
            len,
        };
        (Some(change), self.table)
    }

    async fn holds(&self, number: u8, test: &Test) -> Result<bool, Refusal> {
        let len = self.table.find(number).map_or(0, |entry| entry.len);
        let range = cut(test.offset, test.size, len);
        if range.end - range.start != test.specimen.len() as u64 {
            return Ok(false);
        }
        Ok(self.read(number, range).await? == test.specimen)
    }

    async fn read_all(&self, reads: &[(u64, u64)]) -> Result<BTreeMap<u8, Vec<Bytes>>, Refusal> {
        let asked = |entry: &Entry| -> u64 {
            let ranges = reads.iter().map(|(offset, size)| cut(*offset, *size, entry.len));
            ranges.map(|range| range.end - range.start).fold(0, u64::saturating_add)
        };
        let all = self.table.entries.iter().map(asked).fold(0, u64::saturating_add);
        if all > MOST_READ {
            return Err(Refusal::TooLong(MOST_READ));
        }
        let mut data = BTreeMap::new();
        for entry in &self.table.entries {
            let mut vectors = Vec::with_capacity(reads.len());
            for (offset, size) in reads {
                vectors.push(self.read(entry.number, cut(*offset, *size, entry.len)).await?);
            }
            data.insert(entry.number, vectors);
        }
        Ok(data)
    }

    /// Bytes of a share; the range lies within it.
    async fn read(&self, number: u8, range: Range<u64>) -> Result<Bytes, Trouble> {
        let Some(entry) = self.table.find(number) else {
            return Ok(Bytes::new());
        };
        let places = Head::places(entry, range);
        if let [place] = places.as_slice() {
            return self.read_image(place.clone()).await;
        }
        let mut all = BytesMut::new();
        for place in places {
            all.extend_from_slice(&self.read_image(place).await?);
        }
        Ok(all.freeze())
    }

    /// Bytes of the image: patches where there are some, else the head's.
    async fn read_image(&self, range: Range<u64>) -> Result<Bytes, Trouble> {
        let covered: Vec<(Range<u64>, &Bytes)> = self
            .patches
            .range(..range.end)
            .map(|(at, bytes)| (*at..*at + bytes.len() as u64, bytes))
            .filter(|(place, _)| place.end > range.start)
            .collect();
        if covered.is_empty() {
            return self.read_head(range).await;
        }
        let (mut all, mut at) = (BytesMut::new(), range.start);
        for (place, bytes) in covered {
            let from = place.start.max(range.start);
            all.extend_from_slice(&self.read_head(at..from).await?);
            at = place.end.min(range.end);
            all.extend_from_slice(&bytes[index(from - place.start)..index(at - place.start)]);
        }
        all.extend_from_slice(&self.read_head(at..range.end).await?);
        Ok(all.freeze())
    }

    async fn read_head(&self, range: Range<u64>) -> Result<Bytes, Trouble> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let head = self.base.as_ref().expect("what isn't patched was there before");
        pieces(head.object.as_ref(), range).await
    }

    /// Whether all shares stay within their bounds.
    fn check_growth(&self, request: &ReadTestWrite) -> Result<(), Refusal> {
        let mut zeros = 0_u64;
        for (number, share) in request.shares.iter().filter(|(_, share)| share.new_len != Some(0)) {
            let len = self.table.find(*number).map_or(0, |entry| entry.len);
            let mut filled = Filled::default();
            let mut end = len;
            for (offset, bytes) in &share.writes {
                let to = offset.checked_add(bytes.len() as u64).filter(|to| *to <= LONGEST);
                let to = to.ok_or(Refusal::TooLong(LONGEST))?;
                filled.add(*offset..to);
                end = end.max(to);
            }
            let untouched = filled.split(len..end).into_iter().filter(|(_, there)| !there);
            zeros += untouched.map(|(gap, _)| gap.end - gap.start).sum::<u64>();
        }
        if zeros <= MOST_ZEROS {
            Ok(())
        } else {
            Err(Refusal::TooLong(MOST_ZEROS))
        }
    }

    fn write(&mut self, number: u8, share: &TestWrite, enabler: Hashed) {
        let at = self
            .table
            .entries
            .iter()
            .position(|entry| entry.number == number)
            .unwrap_or_else(|| {
                self.table.entries.push(Entry {
                    number,
                    len: 0,
                    enabler: enabler.0,
                    runs: Vec::new(),
                });
                self.table.entries.len() - 1
            });
        let old = self.table.entries[at].len;
        let mut filled = Filled::default();
        let mut end = old;
        for (offset, bytes) in &share.writes {
            filled.add(*offset..offset + bytes.len() as u64);
            end = end.max(offset + bytes.len() as u64);
        }
        self.make_room(at, end);
        let entry = self.table.entries[at].clone();
        for (gap, there) in filled.split(old..end) {
            if !there {
                for place in Head::places(&entry, gap) {
                    self.put_zeros(place);
                }
            }
        }
        for (offset, bytes) in &share.writes {
            let mut from = 0;
            for place in Head::places(&entry, *offset..offset + bytes.len() as u64) {
                let len = index(place.end - place.start);
                self.put(place.start, bytes.slice(from..from + len));
                from += len;
            }
        }
        self.cut_share(at, share.new_len.map_or(end, |len| len.min(end)));
    }

    /// Gives a share room for `len` bytes.
    fn make_room(&mut self, at: usize, len: u64) {
        let room = self.table.entries[at].room();
        let Some(more) = len.checked_sub(room).filter(|more| *more > 0) else {
            return;
        };
        let end = self.table.data_end();
        let gap = self.table.gap(more);
        let runs = &mut self.table.entries[at].runs;
        match runs.last_mut() {
            Some(last) if last.at + last.len == end => last.len += more,
            _ if gap.is_some() => runs.extend(gap),
            None => runs.push(Run { at: end, len: more }),
            Some(_) => runs.push(Run {
                at: end,
                len: more.max(room / 4).max(LEAST_RUN),
            }),
        }
    }

    /// Sets a share's length; what lies behind it is free.
    fn cut_share(&mut self, at: usize, len: u64) {
        let entry = &mut self.table.entries[at];
        if len < entry.len {
            let mut left = len;
            for run in &mut entry.runs {
                run.len = run.len.min(left);
                left -= run.len;
            }
            entry.runs.retain(|run| run.len > 0);
        }
        entry.len = len;
    }

    fn put_zeros(&mut self, place: Range<u64>) {
        let mut at = place.start;
        while at < place.end {
            let len = (place.end - at).min(ZEROS.len() as u64);
            self.put(at, Bytes::from_static(&ZEROS[..index(len)]));
            at += len;
        }
    }

    /// Patches the image; what was patched there before gives way.
    fn put(&mut self, at: u64, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let end = at + bytes.len() as u64;
        let under: Vec<u64> = self
            .patches
            .range(..end)
            .rev()
            .take_while(|(from, old)| **from + old.len() as u64 > at)
            .map(|(from, _)| *from)
            .collect();
        for from in under {
            let old = self.patches.remove(&from).expect("it was just seen");
            if from < at {
                self.patches.insert(from, old.slice(..index(at - from)));
            }
            if from + old.len() as u64 > end {
                self.patches.insert(end, old.slice(index(end - from)..));
            }
        }
        self.patches.insert(at, bytes);
    }

    /// Drops patches from `end` on: they were for shares that are gone.
    fn cut_patches(&mut self, end: u64) {
        drop(self.patches.split_off(&end));
        if let Some((at, bytes)) = self.patches.iter_mut().next_back() {
            let keep = index(end - at).min(bytes.len());
            bytes.truncate(keep);
        }
    }
}

/// Bytes of an object of any number, read in steps.
async fn pieces(object: &dyn Object, range: Range<u64>) -> Result<Bytes, Trouble> {
    if range.end - range.start <= STEP {
        return object.read(range).await;
    }
    let (mut all, mut at) = (BytesMut::new(), range.start);
    while at < range.end {
        let to = range.end.min(at + STEP);
        all.extend_from_slice(&object.read(at..to).await?);
        at = to;
    }
    Ok(all.freeze())
}

/// A range cut at the end of what has `len` bytes.
fn cut(offset: u64, size: u64, len: u64) -> Range<u64> {
    let start = offset.min(len);
    start..offset.saturating_add(size).min(len).max(start)
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("lengths in memory fit this machine's addresses")
}

#[cfg(test)]
mod tests;
