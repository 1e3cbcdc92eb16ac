//! What others would do: the ways that people take without a planner, for comparison.

use super::{Choice, Planner, Table};
use crate::cloud_set::price::{Money, Tariff, Usage, bills};
use crate::mix::cost::price_mix;
use crate::mix::demand::{Demand, Scheme};
use crate::mix::model::short_of;

/// Objects from which on parts of their number are whole enough.
const ENOUGH: u64 = 1000;

impl Planner<'_> {
    /// The n services whose storage is cheapest, as many would choose; none if they can't be priced.
    #[must_use]
    pub fn cheapest_storage(&self, k: u16, m: u16) -> Option<Choice> {
        let n = usize::from(k + m);
        let mut order: Vec<usize> = (0..self.services.len()).collect();
        let price = |at: &usize| {
            self.services[*at]
                .storage
                .value
                .map(|price| price.of(1_000_000_000_000))
        };
        order.sort_by_key(|at| (price(at), *at));
        let mut chosen = Vec::new();
        for at in order {
            if chosen.len() < n && self.beside(&chosen, at) {
                chosen.push(at);
            }
        }
        let table = (chosen.len() == n).then(|| self.table(usize::from(k), n))?;
        self.unwished(&chosen, &table)
    }

    fn unwished(&self, services: &[usize], table: &Table) -> Option<Choice> {
        let cost = self.price(services, table).total?;
        let seats = self.seats(services);
        Some(Choice {
            services: services.to_vec(),
            k: table.k,
            m: u16::try_from(table.n).ok()? - table.k,
            cost,
            unreadable: short_of(usize::from(table.k), &seats, &self.assume),
            unwritable: 0.0,
            lost: table.lost,
            reads: None,
        })
    }

    /// What one copy at one service of the catalog costs, candidate or not; none if it can't be priced.
    #[must_use]
    pub fn one_copy(&self, id: &str) -> Option<Money> {
        let tariff = self.prices.tariff(id)?;
        let demand = Demand::of(&self.wishes.workload, &Scheme::of(1, 0));
        price_mix(
            self.prices,
            &[tariff],
            &demand,
            self.wishes.reads,
            &self.wishes.currency,
        )
        .total
    }

    /// What k + m costs where every extent lies on any n of all services, each as often: an even spread without a choice. None if one of them
    /// can't be priced so, or so few objects are stored that they can't be spread.
    #[must_use]
    pub fn even_spread(&self, k: u16, m: u16) -> Option<Money> {
        let (n, all) = (u64::from(k + m), self.services.len() as u64);
        if all < n {
            return None;
        }
        if self
            .wishes
            .workload
            .objects
            .iter()
            .any(|objects| objects.count < ENOUGH)
        {
            return None;
        }
        let mut workload = self.wishes.workload.clone();
        for objects in &mut workload.objects {
            let part = |count: u64| {
                let exact = u128::from(count) * u128::from(n) / u128::from(all);
                u64::try_from(exact).unwrap_or(u64::MAX)
            };
            for count in [
                &mut objects.count,
                &mut objects.written,
                &mut objects.read,
                &mut objects.removed,
            ] {
                *count = part(*count);
            }
        }
        let usage = Demand::of(&workload, &Scheme::of(k, m)).usage(u64::from(k) * 1_000_000 / n);
        let uses: Vec<(&Tariff, &Usage)> = self.services.iter().map(|tariff| (*tariff, &usage)).collect();
        let mut sum = Money::ZERO;
        for (bill, tariff) in bills(self.prices, &uses).iter().zip(&self.services) {
            if !bill.missing.is_empty() {
                return None;
            }
            let rate = self.prices.rate(&tariff.currency, &self.wishes.currency)?;
            sum += bill
                .total()
                .times(u64::try_from(rate.in_billionths()).ok()?, 1_000_000_000);
        }
        Some(sum)
    }
}
