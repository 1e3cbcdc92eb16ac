-- A node's uploads in progress; what the columns mean stands in ledger.rs. `size` has the bits of a number without sign.
CREATE TABLE upload (
    bucket BLOB NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    secret BLOB NOT NULL,
    renew BLOB NOT NULL,
    cancel BLOB NOT NULL,
    allocated INTEGER NOT NULL,
    touched INTEGER NOT NULL,
    PRIMARY KEY (bucket, number)
) STRICT, WITHOUT ROWID;
