//! What a little more use costs at a provider: for verbs that tell a price before they do something.
//!
//! Reckoned at the first tier and without any allowance, free use or least bill: an upper bound of what the work adds to a bill.

use std::collections::BTreeSet;

use super::bill::{MONTH_DAYS, Usage};
use super::book::Prices;
use super::rate::{Money, RequestPrice, StoragePrice, TransferPrice};
use super::tariff::ListedAs;
use super::{Cost, PriceList};

/// What some use costs at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marginal {
    /// The sum of what is known.
    pub amount: Money,
    /// Its currency; empty for prices by hand, which are in the owner's.
    pub currency: String,
    /// Figures that are needed and not known: then the sum is no bound.
    pub missing: BTreeSet<&'static str>,
}

impl Prices {
    /// The price list behind a provider's cost, and its currency; nothing is known of an entry that isn't there.
    #[must_use]
    pub fn list(&self, cost: Option<&Cost>) -> (PriceList, String) {
        let tariff = match cost {
            None => return (PriceList::default(), String::new()),
            Some(Cost::ByHand(list)) => return (list.clone(), String::new()),
            Some(Cost::Catalog(id)) => self.tariff(id),
        };
        let Some(tariff) = tariff else {
            return (PriceList::default(), String::new());
        };
        let list = PriceList {
            storage: tariff.storage.value,
            egress: tariff.egress.value,
            retrieval: tariff.retrieval.value,
            put: tariff.put.value,
            get: tariff.get.value,
            min_days: tariff.min_days.value,
            min_object: tariff.min_object.value,
        };
        (list, tariff.currency.clone())
    }

    /// What `usage` adds to the bill of a provider with this cost: a month of what it keeps, and all that it moves and asks.
    #[must_use]
    pub fn marginal(&self, cost: Option<&Cost>, usage: &Usage) -> Marginal {
        let (list, currency) = self.list(cost);
        let mut sum = Marginal {
            currency,
            ..Marginal::default()
        };
        let by_hand = matches!(cost, Some(Cost::ByHand(_)));
        // By hand, what isn't written of minima and retrieval is none: price lists name only what they have.
        let least = list.min_object.map_or(0, super::Size::bytes);
        let days = list.min_days.unwrap_or(0);
        for blobs in &usage.kept {
            let bytes = blobs.count.saturating_mul(blobs.len.max(least));
            sum.add("storage", bytes, list.storage, StoragePrice::of);
        }
        for (blobs, age) in &usage.deleted {
            let bytes = blobs.count.saturating_mul(blobs.len.max(least));
            let left = u64::from(days.saturating_sub(*age));
            let of = |price: StoragePrice, bytes| price.of(bytes).times(left, MONTH_DAYS);
            sum.add("storage", if left == 0 { 0 } else { bytes }, list.storage, of);
        }
        sum.add("egress", usage.read, list.egress, TransferPrice::of);
        if !by_hand || list.retrieval.is_some() {
            sum.add("retrieval", usage.read, list.retrieval, TransferPrice::of);
        }
        sum.add("put", usage.puts, list.put, RequestPrice::of);
        sum.add("get", usage.gets, list.get, RequestPrice::of);
        let as_get = matches!(cost, Some(Cost::Catalog(id)) if self.tariff(id).is_some_and(|tariff| tariff.list_billed_as == ListedAs::Get));
        let (key, price) = if as_get { ("get", list.get) } else { ("put", list.put) };
        sum.add(key, usage.lists, price, RequestPrice::of);
        sum
    }
}

impl Marginal {
    fn add<P>(&mut self, key: &'static str, count: u64, price: Option<P>, of: impl Fn(P, u64) -> Money) {
        match price {
            _ if count == 0 => {}
            Some(price) => self.amount += of(price, count),
            None => {
                self.missing.insert(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Blobs;
    use super::*;

    const GB: u64 = 1_000_000_000;

    #[test]
    fn a_little_more_is_reckoned_at_the_first_tier_without_allowances() {
        let prices = Prices::shipped(None).unwrap();
        let usage = Usage {
            kept: vec![Blobs { count: 10, len: GB }],
            deleted: vec![(Blobs { count: 1, len: GB }, 60)],
            read: 100 * GB,
            puts: 1000,
            gets: 1000,
            lists: 1000,
        };
        // 10 x 0.00799, a deleted one for 30 of 30 days more, reads and calls for nothing.
        let wasabi = Cost::Catalog("wasabi".to_owned());
        let cost = prices.marginal(Some(&wasabi), &usage);
        assert_eq!((cost.amount.to_string().as_str(), cost.missing.len()), ("0.08789", 0));
        // 0.23 + 9.00 + 0.005 + 0.0004 + 0.005.
        let aws = prices.marginal(Some(&Cost::Catalog("aws-s3-standard".to_owned())), &usage);
        assert_eq!(
            (aws.amount.to_string().as_str(), aws.currency.as_str()),
            ("9.2404", "USD")
        );
        let by_hand = Cost::ByHand(PriceList {
            egress: "10/TB".parse().ok(),
            ..PriceList::default()
        });
        let cost = prices.marginal(Some(&by_hand), &usage);
        assert_eq!(cost.missing.into_iter().collect::<Vec<_>>(), ["get", "put", "storage"]);
        let nothing = prices.marginal(None, &usage);
        assert_eq!((nothing.amount, nothing.missing.len()), (Money::ZERO, 5));
        assert!(prices.marginal(None, &Usage::default()).missing.is_empty());
    }
}
