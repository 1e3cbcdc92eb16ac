//! What fails together. Every provider has a place in each kind of domain; two providers with the same word there share a fate.

use std::collections::BTreeMap;
use std::fmt;

/// A kind of failure domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DomainKind {
    /// The company that runs it.
    Operator,
    /// The contract and credentials it is reached by.
    Account,
    /// The part of the world.
    Region,
    /// The site.
    Campus,
    /// The company whose machines the operator rents.
    Upstream,
}

impl DomainKind {
    /// All kinds, in the order they are shown.
    pub const ALL: [DomainKind; 5] = [
        DomainKind::Operator,
        DomainKind::Account,
        DomainKind::Region,
        DomainKind::Campus,
        DomainKind::Upstream,
    ];

    /// The word for it in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            DomainKind::Operator => "operator",
            DomainKind::Account => "account",
            DomainKind::Region => "region",
            DomainKind::Campus => "campus",
            DomainKind::Upstream => "upstream",
        }
    }
}

impl fmt::Display for DomainKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Where one provider stands. A kind that is not named is a domain of its own: it is shared with nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains(pub BTreeMap<DomainKind, String>);

impl Domains {
    /// The provider's domain of this kind.
    #[must_use]
    pub fn get(&self, kind: DomainKind) -> Option<&str> {
        self.0.get(&kind).map(String::as_str)
    }
}
