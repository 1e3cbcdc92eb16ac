//! The price catalog as a whole: the files that travel with the program, the owner's own laid over them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::quantity::Size;
use super::figure::{Figure, Source, Trust};
use super::rate::Money;
use super::read::{Laid, PriceFault, RawFigure, Text, file};
use super::tariff::{Allowance, Tariff};

/// Days after which a price should be looked at again: prices of four of nineteen operators moved in the first eight months of 2026.
pub const OLD_AFTER: i64 = 180;

/// A file of the catalog that travels with the program.
#[derive(Clone, Copy, Debug)]
pub struct ShippedFile {
    /// Its name below `fixtures/providers`.
    pub name: &'static str,
    /// What is in it.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(ShippedFile { name: $name, text: include_str!(concat!("../../../fixtures/providers/", $name)) }),*]
    };
}

/// The files that travel with the program: dated data, read like any other file.
#[must_use]
pub fn shipped_files() -> &'static [ShippedFile] {
    shipped![
        "akamai.yaml",
        "aws.yaml",
        "backblaze.yaml",
        "bunny.yaml",
        "cloudflare.yaml",
        "digitalocean.yaml",
        "google.yaml",
        "hetzner.yaml",
        "ibm.yaml",
        "idrive.yaml",
        "impossible-cloud.yaml",
        "microsoft.yaml",
        "oracle.yaml",
        "ovh.yaml",
        "scaleway.yaml",
        "sources.yaml",
        "storj.yaml",
        "tigris.yaml",
        "vultr.yaml",
        "wasabi.yaml",
    ]
}

/// Services, what they bill, and who says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// Where figures were read, by the word that they name it with.
    pub sources: BTreeMap<String, Source>,
    /// Bytes an account may read for nothing in a month over all its services together.
    pub pools: BTreeMap<String, Figure<Size>>,
    /// What one unit of a currency is in the owner's: from the owner's file alone.
    pub rates: BTreeMap<String, Money>,
    tariffs: BTreeMap<String, Tariff>,
}

impl Prices {
    /// Reads files, each laid over those before it: `(name, text)`.
    pub fn read(files: &[(&str, &str)]) -> Result<Prices, PriceFault> {
        let mut prices = Prices::default();
        let mut laid: BTreeMap<String, Laid> = BTreeMap::new();
        for (name, text) in files {
            let read = file(name, text)?;
            let named = |(key, raw): (String, _)| (key, Source::from(raw));
            prices.sources.extend(read.sources.into_iter().map(named));
            let pool = |(key, raw): (String, RawFigure<Text<Size>>)| (key, Figure::from(raw).map(|size| size.0));
            prices.pools.extend(read.pools.into_iter().map(pool));
            let rate = |(key, raw): (String, Text<Money>)| (key, raw.0);
            prices.rates.extend(read.rates.into_iter().map(rate));
            for (id, entry) in read.providers {
                let entry = Laid::over(laid.remove(&id), name, entry);
                laid.insert(id, entry);
            }
        }
        for (id, entry) in laid {
            let tariff = entry.finish(&id)?;
            prices.tariffs.insert(id, tariff);
        }
        prices.hang_together()?;
        Ok(prices)
    }

    /// The files that travel with the program, with the owner's own `(name, text)` over them.
    pub fn shipped(own: Option<(&str, &str)>) -> Result<Prices, PriceFault> {
        let shipped = shipped_files().iter().map(|file| (file.name, file.text));
        Prices::read(&shipped.chain(own).collect::<Vec<_>>())
    }

    /// The entry of this name.
    #[must_use]
    pub fn tariff(&self, id: &str) -> Option<&Tariff> {
        self.tariffs.get(id)
    }

    /// All entries, by name.
    pub fn tariffs(&self) -> impl Iterator<Item = &Tariff> {
        self.tariffs.values()
    }

    /// True if every source and every pool that is named is there.
    fn hang_together(&self) -> Result<(), PriceFault> {
        let broken = |what: String| PriceFault {
            file: "the price catalog".to_owned(),
            line: 0,
            column: 0,
            what,
        };
        if let Some((currency, _)) = self.rates.iter().find(|(_, rate)| **rate == Money::ZERO) {
            return Err(broken(format!(
                "rates: `{currency}` is 0, so that nothing priced in it would cost anything"
            )));
        }
        for tariff in self.tariffs() {
            for mark in tariff.marks() {
                let source = &mark.source;
                if mark.trust != Trust::Own && !self.sources.contains_key(source) {
                    let what = format!(
                        "provider `{}`: `{}` has the unknown source `{source}`",
                        tariff.id, mark.key
                    );
                    return Err(broken(what));
                }
            }
            if let Some(Allowance::Pool(pool)) = &tariff.egress_free.value
                && !self.pools.contains_key(pool)
            {
                return Err(broken(format!("provider `{}`: there is no pool `{pool}`", tariff.id)));
            }
        }
        Ok(())
    }

    /// The operators that are told of.
    #[must_use]
    pub fn operators(&self) -> BTreeSet<&str> {
        self.tariffs().map(|tariff| tariff.operator.as_str()).collect()
    }
}
