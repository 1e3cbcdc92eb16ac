//! How a Tahoe client should encode what it stores on a node that stripes by itself.

use schemars::JsonSchema;
use serde::Serialize;

/// The lines of a client's `tahoe.cfg`, and what they make of a byte.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct Encoding {
    /// `shares.needed`.
    needed: u8,
    /// `shares.happy`.
    happy: u8,
    /// `shares.total`.
    total: u8,
    /// Bytes stored on the clouds for each byte of a share.
    node_expansion: f64,
    /// Providers that may be lost without loss of a share.
    survives: u16,
    /// Bytes stored for each byte of a file, with these lines.
    expansion: f64,
    /// The same with Tahoe's own 3 of 10 on this one node.
    expansion_of_tahoes_default: f64,
}

impl Encoding {
    /// For a node that keeps each share as k + m.
    pub(super) fn over(k: u16, m: u16) -> Encoding {
        let node = f64::from(k + m) / f64::from(k);
        Encoding {
            needed: 1,
            happy: 1,
            total: 1,
            node_expansion: node,
            survives: m,
            expansion: node,
            expansion_of_tahoes_default: node * 10.0 / 3.0,
        }
    }

    /// The same for a person.
    pub(super) fn lines(&self) -> Vec<String> {
        let Encoding {
            needed,
            happy,
            total,
            node_expansion,
            survives,
            ..
        } = self;
        let why = if *survives == 0 {
            "a folder is one place: what it loses is lost here".to_owned()
        } else {
            format!(
                "each share lies striped over providers, {node_expansion:.2} x its bytes, and outlives any {survives} of them"
            )
        };
        vec![
            format!(
                "for a client's tahoe.cfg, [client]: shares.needed = {needed}, shares.happy = {happy}, shares.total = {total}"
            ),
            format!("  why: {why}; more shares on this one node would cost and add nothing"),
            format!(
                "  Tahoe's own 3 of 10 would store {:.2} x; with three such nodes 2 of 3 outlives one node's owner too, {:.2} x",
                self.expansion_of_tahoes_default,
                node_expansion * 1.5,
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expansion_is_the_nodes_times_the_clients() {
        let striped = Encoding::over(4, 2);
        assert_eq!((striped.expansion, striped.survives), (1.5, 2));
        assert!((striped.expansion_of_tahoes_default - 5.0).abs() < 1e-9);
        assert!(striped.lines()[2].contains("5.00 x") && striped.lines()[2].contains("2.25 x"));
        assert!(Encoding::over(1, 0).lines()[1].contains("one place"));
    }
}
