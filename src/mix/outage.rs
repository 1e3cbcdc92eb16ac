//! How often and how long operators were out: dated facts that travel with the program, `fixtures/outages`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The facts as they stand.
const FACTS: &str = include_str!("../../fixtures/outages/outages.yaml");

const HOURS_PER_YEAR: f64 = 8766.0;

/// How a provider is out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outage {
    /// Times in a year.
    pub per_year: f64,
    /// Hours each, in the mean.
    pub mean_hours: f64,
}

impl Outage {
    /// The share of time that it is out, below 1.
    #[must_use]
    pub fn share(self) -> f64 {
        let (up, down) = (HOURS_PER_YEAR, self.per_year * self.mean_hours);
        down / (up + down)
    }
}

/// Outages by operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Outages {
    measured: BTreeMap<String, Outage>,
    others: Outage,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: u32,
    measured: Measured,
    #[serde(rename = "incidents")]
    _incidents: Vec<Incident>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    #[serde(rename = "source")]
    _source: String,
    operators: BTreeMap<String, Row>,
    #[serde(rename = "overlaps")]
    _overlaps: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    years: f64,
    incidents: f64,
    mean_hours: f64,
    #[serde(rename = "median_hours")]
    _median: f64,
    #[serde(rename = "longest_hours")]
    _longest: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Incident {
    #[serde(rename = "start")]
    _start: String,
    #[serde(rename = "operator")]
    _operator: String,
    #[serde(rename = "kind")]
    _kind: Kind,
    #[serde(rename = "hours")]
    _hours: Option<f64>,
    #[serde(rename = "notice_days")]
    _notice: Option<f64>,
    #[serde(rename = "scope")]
    _scope: Option<String>,
    #[serde(rename = "source")]
    _source: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Outage,
    Loss,
    Exit,
}

impl Outages {
    /// The facts that travel with the program.
    #[must_use]
    pub fn shipped() -> Outages {
        let file: File = serde_saphyr::from_str(FACTS).expect("a test reads the shipped file");
        let rows = file.measured.operators;
        let sum = |of: &dyn Fn(&Row) -> f64| rows.values().map(of).sum::<f64>();
        let incidents = sum(&|row| row.incidents);
        let others = Outage {
            per_year: incidents / sum(&|row| row.years),
            mean_hours: sum(&|row| row.incidents * row.mean_hours) / incidents,
        };
        let outage = |(operator, row): (String, Row)| {
            let outage = Outage {
                per_year: row.incidents / row.years,
                mean_hours: row.mean_hours,
            };
            (operator, outage)
        };
        Outages {
            others,
            measured: rows.into_iter().map(outage).collect(),
        }
    }

    /// What is known of an operator, or of all that were measured together.
    #[must_use]
    pub fn of(&self, operator: &str) -> Outage {
        self.measured.get(operator).copied().unwrap_or(self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_without_a_row_is_the_mean_of_the_others() {
        let outages = Outages::shipped();
        let aws = outages.of("aws");
        assert!((aws.per_year - 7.0 / 3.0).abs() < 1e-12 && (aws.mean_hours - 1.02).abs() < 1e-12);
        // 40 incidents in 8 years; (7 x 1.02 + 19 x 3.67 + 14 x 9.81) / 40 hours.
        let other = outages.of("wasabi");
        assert!((other.per_year - 5.0).abs() < 1e-12 && (other.mean_hours - 5.3553).abs() < 1e-4);
        assert!((other.share() - 0.003_045).abs() < 1e-5);
    }
}
