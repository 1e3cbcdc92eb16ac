-- Schema 1. What the columns mean stands in schema.rs.
CREATE TABLE catalog (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    set_id BLOB NOT NULL,
    membership INTEGER NOT NULL
) STRICT;

CREATE TABLE epoch (
    epoch INTEGER NOT NULL,
    writer BLOB NOT NULL,
    last_sequence INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (epoch, writer)
) STRICT, WITHOUT ROWID;

CREATE TABLE generation (
    generation BLOB PRIMARY KEY,
    name BLOB NOT NULL,
    policy TEXT NOT NULL,
    condition INTEGER NOT NULL,
    expected BLOB,
    state INTEGER NOT NULL,
    root BLOB,
    sum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE object (
    no INTEGER PRIMARY KEY,
    name BLOB NOT NULL UNIQUE,
    generation BLOB NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    root BLOB NOT NULL,
    len INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    policy TEXT NOT NULL,
    digest BLOB NOT NULL,
    sum INTEGER NOT NULL
) STRICT;

CREATE TABLE extent (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    grouping BLOB NOT NULL,
    generation BLOB NOT NULL,
    kind INTEGER NOT NULL,
    key_id INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    k INTEGER NOT NULL,
    n INTEGER NOT NULL,
    chunk_len INTEGER NOT NULL,
    overhead INTEGER NOT NULL,
    payload_len INTEGER NOT NULL,
    quorum INTEGER NOT NULL,
    header_len INTEGER NOT NULL,
    salt BLOB NOT NULL,
    digest BLOB NOT NULL,
    fragment_len INTEGER NOT NULL,
    refs INTEGER NOT NULL,
    retired_at INTEGER,
    sum INTEGER NOT NULL
) STRICT;
CREATE INDEX extent_unheld ON extent (generation) WHERE refs = 0;

CREATE TABLE place (
    object INTEGER NOT NULL REFERENCES object (no),
    start INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    len INTEGER NOT NULL,
    extent INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (object, start, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE provider (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE fragment (
    extent INTEGER NOT NULL REFERENCES extent (no),
    idx INTEGER NOT NULL,
    copy INTEGER NOT NULL,
    provider INTEGER NOT NULL,
    state INTEGER NOT NULL,
    due INTEGER,
    sum INTEGER NOT NULL,
    PRIMARY KEY (extent, idx, copy)
) STRICT, WITHOUT ROWID;
CREATE INDEX fragment_due ON fragment (due) WHERE due IS NOT NULL;

CREATE TABLE member (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    weight REAL NOT NULL,
    state INTEGER NOT NULL,
    since INTEGER NOT NULL,
    sum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE probe (
    provider BLOB PRIMARY KEY,
    answer TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pin (
    id BLOB PRIMARY KEY,
    begun INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE position (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    chain BLOB NOT NULL,
    kept_after INTEGER,
    bytes INTEGER NOT NULL,
    sum INTEGER NOT NULL
) STRICT;

CREATE TABLE change (
    number INTEGER PRIMARY KEY,
    before BLOB NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
