-- A node's books; what the columns mean stands in ledger.rs.
CREATE TABLE lease (
    no INTEGER PRIMARY KEY,
    mutable INTEGER NOT NULL,
    bucket BLOB NOT NULL,
    number INTEGER NOT NULL,
    renew BLOB NOT NULL,
    cancel BLOB NOT NULL,
    renewed INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    UNIQUE (mutable, bucket, number, renew)
) STRICT;

CREATE TABLE advisory (
    no INTEGER PRIMARY KEY,
    mutable INTEGER NOT NULL,
    bucket BLOB NOT NULL,
    number INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (mutable, bucket, number, reason)
) STRICT;
