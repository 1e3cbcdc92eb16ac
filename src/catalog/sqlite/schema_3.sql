-- Schema 3. What the columns mean stands in debt.rs and shipment.rs.
CREATE TABLE debt (
    extent INTEGER PRIMARY KEY,
    object INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT;

CREATE TABLE shipment (
    generation BLOB PRIMARY KEY,
    bytes BLOB NOT NULL,
    sum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
