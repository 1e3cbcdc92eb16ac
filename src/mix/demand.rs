//! The bytes and calls that a workload makes at one seat: the arithmetic of the store, without a store.
//!
//! ```text
//! object ─▶ extents (whole stripes, at most fragment_len a fragment) + manifests if there are several
//!           each extent: one fragment a seat, one put; a read asks k seats, a ranged get every few MiB
//! ```
//!
//! A read of fewer than k bytes is reckoned as one of k seats, though fewer are asked. Not counted: identity, epochs and checkpoints (some KiB a day), retries, and fragments that a hedged read asks for in vain.

use crate::cloud_set::policy::Policy;
use crate::cloud_set::price::{Blobs, Usage};
use crate::fragment::manifest::Manifest;
use crate::fragment::owner::Owner;
use crate::store::layout::Layout;
use crate::store::read::STEP;
use crate::stripe::geometry::SEAL_OVERHEAD;

/// Days of a month.
const MONTH_DAYS: u64 = 30;

/// Names in a page of a listing: what S3 and those that speak it give.
const NAMES_A_PAGE: u64 = 1000;

/// The length of an object's name that headers are reckoned with.
const NAME_LEN: usize = 32;

/// How objects are cut and coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Fragments that read an extent.
    pub k: u16,
    /// Fragments that may be lost.
    pub m: u16,
    /// Coded bytes of a full chunk.
    pub chunk_len: u32,
    /// The longest fragment, in bytes.
    pub fragment_len: u64,
    /// Chunks are sealed.
    pub sealed: bool,
}

impl Scheme {
    /// k + m with the lengths that RAIC has without a word of the owner's.
    #[must_use]
    pub fn of(k: u16, m: u16) -> Scheme {
        Scheme {
            k,
            m,
            chunk_len: 64 << 10,
            fragment_len: 8 << 20,
            sealed: true,
        }
    }

    /// As a policy has it.
    #[must_use]
    pub fn of_policy(policy: &Policy) -> Scheme {
        Scheme {
            k: policy.k,
            m: policy.m,
            chunk_len: policy.chunk_len,
            fragment_len: policy.fragment_len,
            sealed: policy.sealed,
        }
    }

    /// All fragments of an extent.
    #[must_use]
    pub fn n(&self) -> u16 {
        self.k + self.m
    }

    fn layout(&self) -> Layout {
        let owner = Owner {
            name: Some("x".repeat(NAME_LEN)),
            object_len: Some(0),
            ordinal: Some(0),
            modified: Some(0),
            digest: Some([0; 32]),
            policy: Some("default".to_owned()),
            others: Vec::new(),
        };
        Layout {
            k: self.k,
            n: self.n(),
            chunk_len: self.chunk_len,
            overhead: if self.sealed { SEAL_OVERHEAD } else { 0 },
            header_len: owner.header_len(),
            fragment_len: self.fragment_len,
        }
    }

    /// The fragments of one object at one seat, data before manifests, and the calls that reading it makes at a seat that is asked.
    ///
    /// # Panics
    ///
    /// If not one chunk fits a fragment.
    #[must_use]
    pub fn fragments(&self, len: u64) -> (Vec<Blobs>, u64) {
        let layout = self.layout();
        let capacity = layout.capacity();
        let blob = |count, payload| Blobs {
            count,
            len: layout.shape(payload).fragment_len(layout.header_len),
        };
        let extents = len.div_ceil(capacity).max(1);
        let tail = len - (extents - 1) * capacity;
        let mut blobs = vec![blob(extents - 1, capacity), blob(1, tail)];
        let stripe = layout.shape(0).stripe_cap();
        let stride = (STEP / stripe).max(1) * stripe;
        let gets = (extents - 1) * capacity.div_ceil(stride) + tail.div_ceil(stride);
        let mut listed = extents;
        while listed > 1 {
            let head = Manifest::encoded_len(0) as u64;
            let entry = Manifest::encoded_len(1) as u64 - head;
            let fit = ((capacity - head) / entry).max(2);
            let manifests = listed.div_ceil(fit);
            let last = listed - (manifests - 1) * fit;
            blobs.push(blob(manifests - 1, head + fit * entry));
            blobs.push(blob(1, head + last * entry));
            listed = manifests;
        }
        blobs.retain(|blobs| blobs.count > 0);
        (blobs, gets)
    }
}

/// Objects of one length, and what happens to them in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// How many there are, in the mean of the month.
    pub count: u64,
    /// Bytes of each.
    pub len: u64,
    /// How many are stored, new or over others.
    pub written: u64,
    /// How often one of them is read whole.
    pub read: u64,
    /// How many are removed or overwritten.
    pub removed: u64,
    /// The days that those were kept.
    pub removed_after_days: u16,
}

/// What keeps the data sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Care {
    /// Every byte of every fragment is read once in so many days; never if `None`.
    pub deep_days: Option<u16>,
    /// Every name is listed once in so many days; never if `None`.
    pub light_days: Option<u16>,
    /// Providers lost for good in a year, of one: each loss has its fragments rebuilt from k others.
    pub losses_per_year: f64,
}

impl Default for Care {
    /// What `docs/cost.md` says of each.
    fn default() -> Care {
        Care {
            deep_days: Some(90),
            light_days: Some(7),
            losses_per_year: 0.02,
        }
    }
}

/// What is stored and done in a month.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// By length.
    pub objects: Vec<Objects>,
    /// What keeps it sound.
    pub care: Care,
}

impl Workload {
    /// Bytes of the owner's.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sum = |sum: u64, objects: &Objects| sum.saturating_add(objects.count.saturating_mul(objects.len));
        self.objects.iter().fold(0, sum)
    }

    /// Bytes that are read in a month by the owner.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        let sum = |sum: u64, objects: &Objects| sum.saturating_add(objects.read.saturating_mul(objects.len));
        self.objects.iter().fold(0, sum)
    }
}

/// What a workload makes of one seat under one scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Whatever is read from it.
    pub fixed: Usage,
    /// Bytes read in a month if every read asks this seat.
    pub read: u64,
    /// Calls for them.
    pub gets: u64,
    /// Of n seats, every read asks so many.
    pub k: u16,
}

impl Demand {
    /// The demand of a workload under a scheme.
    #[must_use]
    pub fn of(workload: &Workload, scheme: &Scheme) -> Demand {
        let mut demand = Demand {
            k: scheme.k,
            ..Demand::default()
        };
        let (mut blobs_kept, mut bytes_kept) = (0, 0);
        for objects in &workload.objects {
            let (blobs, gets) = scheme.fragments(objects.len);
            // Manifests are never read by a get: the catalog has what they say.
            let data: u64 = objects.len.div_ceil(scheme.layout().capacity()).max(1);
            let mut left = data;
            for each in blobs {
                let times = |count: u64| count.saturating_mul(each.count);
                let of = |count: u64| Blobs {
                    count: times(count),
                    len: each.len,
                };
                demand.fixed.kept.push(of(objects.count));
                demand
                    .fixed
                    .deleted
                    .push((of(objects.removed), objects.removed_after_days));
                demand.fixed.puts = demand.fixed.puts.saturating_add(times(objects.written));
                let read = each.count.min(left);
                left -= read;
                let bytes = read.saturating_mul(each.len).saturating_mul(objects.read);
                demand.read = demand.read.saturating_add(bytes);
                blobs_kept += times(objects.count);
                bytes_kept += times(objects.count).saturating_mul(each.len);
            }
            demand.gets = demand.gets.saturating_add(gets.saturating_mul(objects.read));
        }
        demand.fixed.kept.retain(|blobs| blobs.count > 0);
        demand.fixed.deleted.retain(|(blobs, _)| blobs.count > 0);
        demand.care(&workload.care, scheme, blobs_kept, bytes_kept);
        demand
    }

    /// Reads of every byte, listings, and the share of this seat in rebuilding another's fragments, once in years.
    fn care(&mut self, care: &Care, scheme: &Scheme, blobs: u64, bytes: u64) {
        let monthly = |count: u64, days: u16| mul_div(count, MONTH_DAYS, u64::from(days.max(1)));
        if let Some(days) = care.deep_days {
            self.fixed.read = self.fixed.read.saturating_add(monthly(bytes, days));
            self.fixed.gets = self.fixed.gets.saturating_add(monthly(blobs, days));
        }
        if let Some(days) = care.light_days {
            self.fixed.lists = self
                .fixed
                .lists
                .saturating_add(monthly(blobs.div_ceil(NAMES_A_PAGE), days));
        }
        // One of n is lost: k of the n - 1 others are read in even shares, and one seat of them all writes the new fragments.
        let n = f64::from(scheme.n());
        let lost = n * care.losses_per_year.clamp(0.0, 1e3) / 12.0;
        let read = lost * f64::from(scheme.k) / (n - 1.0).max(1.0);
        self.fixed.read = self.fixed.read.saturating_add(scaled(bytes, read));
        self.fixed.gets = self.fixed.gets.saturating_add(scaled(blobs, read));
        self.fixed.puts = self.fixed.puts.saturating_add(scaled(blobs, lost / n));
    }

    /// The use of a seat that is asked for `millionths` of the reads.
    #[must_use]
    pub fn usage(&self, millionths: u64) -> Usage {
        let share = |count: u64| mul_div(count, millionths, 1_000_000);
        Usage {
            read: self.fixed.read.saturating_add(share(self.read)),
            gets: self.fixed.gets.saturating_add(share(self.gets)),
            ..self.fixed.clone()
        }
    }
}

/// `count` × `times` / `of`, to the nearest.
fn mul_div(count: u64, times: u64, of: u64) -> u64 {
    let exact = (u128::from(count) * u128::from(times) + u128::from(of) / 2) / u128::from(of);
    u64::try_from(exact).unwrap_or(u64::MAX)
}

/// `count` times a small factor, to the nearest.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an expectation over years; the product is not negative"
)]
fn scaled(count: u64, factor: f64) -> u64 {
    (count as f64 * factor).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_cut_as_the_store_cuts_it() {
        let scheme = Scheme {
            k: 2,
            m: 1,
            chunk_len: 256,
            fragment_len: 2048,
            sealed: false,
        };
        let header = u64::from(scheme.layout().header_len);
        // (2048 - header) / (256 + 32) stripes of 512 bytes an extent.
        let stripes = (2048 - header) / 288;
        let whole = header + stripes * 288;
        let (blobs, gets) = scheme.fragments(stripes * 512);
        assert_eq!((blobs.as_slice(), gets), (&[Blobs { count: 1, len: whole }][..], 1));
        // One byte more is a second extent and a manifest.
        let (blobs, gets) = scheme.fragments(stripes * 512 + 1);
        assert_eq!((blobs.len(), blobs[0].len, blobs[1].len), (3, whole, header + 1 + 32));
        assert_eq!(gets, 2);
        // An empty object has its header.
        assert_eq!(scheme.fragments(0), (vec![Blobs { count: 1, len: header }], 0));
    }

    #[test]
    fn reads_and_care_add_up() {
        let workload = Workload {
            objects: vec![Objects {
                count: 100,
                len: 16 << 20,
                written: 10,
                read: 50,
                removed: 10,
                removed_after_days: 5,
            }],
            care: Care {
                deep_days: Some(60),
                light_days: Some(30),
                losses_per_year: 0.0,
            },
        };
        let demand = Demand::of(&workload, &Scheme::of(4, 2));
        let fragment = demand.fixed.kept[0].len;
        assert_eq!(demand.fixed.stored(), 100 * fragment);
        assert_eq!((demand.fixed.puts, demand.fixed.lists), (10, 1));
        // Half of what is there is read in 30 of 60 days.
        assert_eq!((demand.fixed.read, demand.fixed.gets), (50 * fragment, 50));
        // 16 MiB are four steps and a bit: a stride is a whole number of stripes below 4 MiB.
        assert_eq!((demand.read, demand.gets), (50 * fragment, 250));
        let half = demand.usage(500_000);
        assert_eq!((half.read, half.gets), (75 * fragment, 175));
    }
}
