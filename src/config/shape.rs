//! The keys of the configuration: one table, from which unknown keys are found, the schema is made, environment twins
//! are matched and it is known which values may be shown.

use crate::cloud_set::{DomainKind, ProfileState};

/// What may stand at a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A mapping with these keys.
    Fields(&'static Section),
    /// A mapping whose keys are names that the owner chooses.
    Named(&'static Shape),
    /// The options of a provider: keys by its scheme, values literal or elsewhere.
    Options,
    /// A list of names.
    Names,
    /// `{ env: X }`, `{ file: P }` or `{ command: [..] }`.
    Elsewhere,
    /// One value.
    Leaf(Leaf),
}

/// A mapping with fixed keys.
#[derive(Debug)]
pub(super) struct Section {
    /// For "unknown key `x` in ...".
    pub noun: &'static str,
    pub fields: &'static [Field],
}

/// One key.
#[derive(Debug)]
pub(super) struct Field {
    pub key: &'static str,
    pub shape: Shape,
    pub required: bool,
    /// One line for the schema and the editor.
    pub doc: &'static str,
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// A whole number from the first to the second.
    Whole(u32, u32),
    Weight,
    Size,
    ByteRate,
    RequestRate,
    Period,
    StoragePrice,
    TransferPrice,
    RequestPrice,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A name that the owner chose elsewhere in the file.
    Name,
    /// A word of the owner's: a region, a company.
    Label,
    /// A scheme of `OpenDAL`'s.
    Scheme,
    Path,
    /// An address and a port.
    Listen,
    /// A host and a port, as others reach it.
    Location,
}

impl Leaf {
    /// "expected ..."
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Leaf::Whole(..) => "a whole number",
            Leaf::Weight => "a number such as 1.0",
            Leaf::Size => "a size such as 500 GiB",
            Leaf::ByteRate => "a rate such as 40 MiB/s",
            Leaf::RequestRate => "a request rate such as 200/s",
            Leaf::Period => "a time such as 30 d",
            Leaf::StoragePrice => "a price such as 6.00/TB-month",
            Leaf::TransferPrice => "a price such as 10.00/TB",
            Leaf::RequestPrice => "a price such as 0.40/10k",
            Leaf::Word(_) | Leaf::Label => "a word",
            Leaf::Name => "a name",
            Leaf::Scheme => "a scheme such as s3",
            Leaf::Path => "a path",
            Leaf::Listen => "an address and port such as 127.0.0.1:9902",
            Leaf::Location => "a host and port such as node.example.net:9902",
        }
    }
}

const fn field(key: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field {
        key,
        shape,
        required: false,
        doc,
    }
}

const fn required(key: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field {
        key,
        shape,
        required: true,
        doc,
    }
}

/// The longest extent code has this many chunks, so none of its counts is larger.
const MAX_N: u32 = 256;

/// What the whole file is called where a key would be.
pub(super) const WHOLE: &str = "the configuration";

/// The whole file.
pub(super) const ROOT: Shape = Shape::Fields(&Section {
    noun: WHOLE,
    fields: &[
        required(
            "version",
            Shape::Leaf(Leaf::Whole(1, 1)),
            "The version of this file's form: 1.",
        ),
        required(
            "key",
            Shape::Elsewhere,
            "Where the set's key is kept; `raic key export` prints its recovery sheet.",
        ),
        field(
            "state",
            Shape::Leaf(Leaf::Path),
            "The folder of the catalog, one for each set; $XDG_STATE_HOME/raic if it isn't written.",
        ),
        required(
            "providers",
            Shape::Named(&Shape::Fields(&PROVIDER)),
            "The providers by the names that you choose: lower-case letters, digits, hyphens.",
        ),
        required(
            "policies",
            Shape::Named(&Shape::Fields(&POLICY)),
            "How objects are kept, by name; `default` is the one that is taken if none is asked for.",
        ),
        field(
            "node",
            Shape::Fields(&NODE),
            "What `raic serve` offers; nothing else reads it.",
        ),
    ],
});

/// One provider.
pub(super) const PROVIDER: Section = Section {
    noun: "a provider",
    fields: &[
        required(
            "scheme",
            Shape::Leaf(Leaf::Scheme),
            "The service: `raic provider schemes` lists them.",
        ),
        field(
            "options",
            Shape::Options,
            "What the service wants to know; secrets stand elsewhere: { env: X }, { file: P } or { command: [..] }.",
        ),
        field(
            "region",
            Shape::Leaf(Leaf::Label),
            "Failure domain: the part of the world.",
        ),
        field(
            "operator",
            Shape::Leaf(Leaf::Label),
            "Failure domain: the company that runs it; guessed if it isn't written.",
        ),
        field(
            "account",
            Shape::Leaf(Leaf::Label),
            "Failure domain: the contract that it is reached by.",
        ),
        field("campus", Shape::Leaf(Leaf::Label), "Failure domain: the site."),
        field(
            "upstream",
            Shape::Leaf(Leaf::Label),
            "Failure domain: the company whose machines the operator rents.",
        ),
        field(
            "quota",
            Shape::Leaf(Leaf::Size),
            "The most that may be kept there; no bound if it isn't written.",
        ),
        field(
            "weight",
            Shape::Leaf(Leaf::Weight),
            "Its share of the placements: 1.0 is even, 0.001 to 1000.",
        ),
        field("limits", Shape::Fields(&LIMITS), "How much may be asked of it at once."),
        field(
            "cost",
            Shape::Fields(&COST),
            "What it bills: prices by hand, or { catalog: ID }.",
        ),
        field(
            "state",
            Shape::Leaf(Leaf::Word(&STATES)),
            "Whether new fragments go there; active if it isn't written.",
        ),
    ],
};

const STATES: [&str; 3] = {
    assert!(ProfileState::ALL.len() == 3);
    ["active", "readonly", "draining"]
};

const LIMITS: Section = Section {
    noun: "`limits`",
    fields: &[
        field("upload", Shape::Leaf(Leaf::ByteRate), "Bytes sent in a second."),
        field("download", Shape::Leaf(Leaf::ByteRate), "Bytes read in a second."),
        field(
            "requests",
            Shape::Leaf(Leaf::RequestRate),
            "Requests of all kinds in a second, minute or hour.",
        ),
        field(
            "concurrency",
            Shape::Leaf(Leaf::Whole(1, 1024)),
            "Requests under way at once.",
        ),
    ],
};

const COST: Section = Section {
    noun: "`cost`",
    fields: &[
        field(
            "catalog",
            Shape::Leaf(Leaf::Label),
            "An entry of the price catalog, instead of prices by hand.",
        ),
        field("storage", Shape::Leaf(Leaf::StoragePrice), "Bytes kept for a month."),
        field(
            "egress",
            Shape::Leaf(Leaf::TransferPrice),
            "Bytes read out of the provider.",
        ),
        field(
            "retrieval",
            Shape::Leaf(Leaf::TransferPrice),
            "Bytes read, where that is billed beside egress.",
        ),
        field("put", Shape::Leaf(Leaf::RequestPrice), "Writing requests."),
        field("get", Shape::Leaf(Leaf::RequestPrice), "Reading requests."),
        field(
            "min_days",
            Shape::Leaf(Leaf::Whole(0, 3660)),
            "Days that a blob is billed for at least.",
        ),
        field(
            "min_object",
            Shape::Leaf(Leaf::Size),
            "The size that a smaller blob is billed as.",
        ),
    ],
};

/// One policy.
pub(super) const POLICY: Section = Section {
    noun: "a policy",
    fields: &[
        field(
            "extends",
            Shape::Leaf(Leaf::Name),
            "Another policy, whose values hold where this one has none.",
        ),
        field(
            "k",
            Shape::Leaf(Leaf::Whole(1, MAX_N)),
            "Any k fragments read the data.",
        ),
        field(
            "m",
            Shape::Leaf(Leaf::Whole(0, MAX_N - 1)),
            "So any m providers may be lost; k + m is at most 256.",
        ),
        field(
            "spread",
            Shape::Fields(&SPREAD),
            "The most fragments of one extent that may share a failure domain, by its kind.",
        ),
        field(
            "write_quorum",
            Shape::Leaf(Leaf::Whole(1, MAX_N)),
            "Fragments stored before `put` says done: ceil((n+k)/2), which is the default, to n.",
        ),
        field(
            "encryption",
            Shape::Leaf(Leaf::Word(&["aes-256-gcm", "none"])),
            "aes-256-gcm if it isn't written.",
        ),
        field(
            "prefer",
            Shape::Leaf(Leaf::Word(&["latency", "cost", "balanced"])),
            "Which providers a read asks first; latency if it isn't written.",
        ),
        field(
            "providers",
            Shape::Names,
            "Only these providers; all if it isn't written.",
        ),
        field(
            "chunk",
            Shape::Leaf(Leaf::Size),
            "Coded bytes of a chunk: 1 KiB to 4 MiB, a multiple of 64; 64 KiB.",
        ),
        field(
            "fragment",
            Shape::Leaf(Leaf::Size),
            "The longest fragment: at most 64 MiB; 8 MiB.",
        ),
    ],
};

const SPREAD: Section = Section {
    noun: "`spread`",
    fields: &[
        spread(DomainKind::Operator, "operator"),
        spread(DomainKind::Account, "account"),
        spread(DomainKind::Region, "region"),
        spread(DomainKind::Campus, "campus"),
        spread(DomainKind::Upstream, "upstream"),
    ],
};

const fn spread(_: DomainKind, key: &'static str) -> Field {
    field(
        key,
        Shape::Leaf(Leaf::Whole(1, MAX_N)),
        "At most this many fragments of one extent in one of them.",
    )
}

const NODE: Section = Section {
    noun: "`node`",
    fields: &[
        field(
            "s3",
            Shape::Fields(&Section {
                noun: "`s3`",
                fields: &[
                    required("listen", Shape::Leaf(Leaf::Listen), "Where it answers."),
                    required("access_key", Shape::Elsewhere, "The key id that clients use."),
                    required("secret_key", Shape::Elsewhere, "The secret that clients sign with."),
                ],
            }),
            "A door for S3 clients.",
        ),
        field(
            "webdav",
            Shape::Fields(&Section {
                noun: "`webdav`",
                fields: &[required("listen", Shape::Leaf(Leaf::Listen), "Where it answers.")],
            }),
            "A door for WebDAV clients.",
        ),
        field(
            "tahoe",
            Shape::Fields(&Section {
                noun: "`tahoe`",
                fields: &[
                    required("listen", Shape::Leaf(Leaf::Listen), "Where it answers."),
                    field("location", Shape::Leaf(Leaf::Location), "Where others reach it."),
                ],
            }),
            "A Tahoe-LAFS storage server.",
        ),
        field(
            "status",
            Shape::Fields(&Section {
                noun: "`status`",
                fields: &[required("listen", Shape::Leaf(Leaf::Listen), "Where it answers.")],
            }),
            "A page for people, /metrics, /healthz and /readyz.",
        ),
        field(
            "cache",
            Shape::Fields(&Section {
                noun: "`cache`",
                fields: &[
                    field(
                        "dir",
                        Shape::Leaf(Leaf::Path),
                        "Its folder; $XDG_CACHE_HOME/raic if it isn't written.",
                    ),
                    required("size", Shape::Leaf(Leaf::Size), "The most that it may hold."),
                ],
            }),
            "Data kept near, so that hot reads cost nothing.",
        ),
        field(
            "scrub",
            Shape::Fields(&Section {
                noun: "`scrub`",
                fields: &[
                    required(
                        "every",
                        Shape::Leaf(Leaf::Period),
                        "Each fragment is checked once in this time.",
                    ),
                    field(
                        "rate",
                        Shape::Leaf(Leaf::ByteRate),
                        "The most that is read for it in a second.",
                    ),
                ],
            }),
            "Fragments are read and checked while the node runs.",
        ),
    ],
};

impl Section {
    pub(super) fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.key.to_owned()).collect()
    }
}

/// The three ways to say where a value is kept.
pub(super) const ELSEWHERE_KEYS: [&str; 3] = ["env", "file", "command"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_table_are_those_of_the_types() {
        assert_eq!(ProfileState::ALL.map(ProfileState::word), STATES);
        assert_eq!(
            DomainKind::ALL.map(|kind| kind.word().to_owned()).to_vec(),
            SPREAD.keys()
        );
        for kind in DomainKind::ALL {
            assert!(PROVIDER.field(kind.word()).is_some(), "{kind}");
        }
    }
}
