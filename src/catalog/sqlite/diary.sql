-- What care notes; what the columns mean stands in diary.rs.
CREATE TABLE listed (
    provider BLOB NOT NULL,
    ward INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (provider, ward)
) STRICT, WITHOUT ROWID;

CREATE TABLE examined (
    extent INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    copy INTEGER NOT NULL,
    since INTEGER NOT NULL,
    read INTEGER,
    PRIMARY KEY (extent, idx, copy)
) STRICT, WITHOUT ROWID;

CREATE TABLE orphan (
    provider BLOB NOT NULL,
    key TEXT NOT NULL,
    len INTEGER,
    seen INTEGER NOT NULL,
    PRIMARY KEY (provider, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE deed (
    deed INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;
