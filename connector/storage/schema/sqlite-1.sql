-- Schema 1 of the embedded store.  All text compares byte by byte (SQLite's BINARY), which is the order of ids everywhere.
-- Instants are integers: microseconds since 1970 in UTC.

-- What the file is: schema version, name of the audit writer.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row per record of connector.records; `body` is the whole dataclass as JSON, `version` what compare-and-swap looks at.
CREATE TABLE record (
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    version INTEGER NOT NULL,
    body    TEXT NOT NULL,
    UNIQUE (kind, id)
);

-- What records may be found by: one row per value of `keys()`.  Written and removed with the record, so a release that
-- changes the keys() of a record has to bring a schema step that writes these rows again.
CREATE TABLE record_key (
    kind  TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    id    TEXT NOT NULL,
    PRIMARY KEY (kind, name, value, id)
) WITHOUT ROWID;

-- Bytes under the SHA-256 (hex) that names them.
CREATE TABLE blob (
    sha256 TEXT PRIMARY KEY,
    data   BLOB NOT NULL
);

-- The outbox.  Who has leased a letter is not kept here: one process serves a file, so its leases die with it.
CREATE TABLE letter (
    id      TEXT PRIMARY KEY,
    process TEXT NOT NULL,
    due     INTEGER NOT NULL,
    posted  INTEGER NOT NULL,
    body    TEXT NOT NULL
);
CREATE INDEX letter_by_process ON letter (process);

-- The audit chain: `hash` covers the entry and `prev` (see storage/chain.py).
CREATE TABLE audit (
    writer  TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    prev    TEXT NOT NULL,
    at      TEXT NOT NULL,
    event   TEXT NOT NULL,
    subject TEXT NOT NULL,
    data    TEXT NOT NULL,
    hash    TEXT NOT NULL,
    PRIMARY KEY (writer, seq)
);

-- Nonces of tokens that were used; a row may go once the token has expired anyway.
CREATE TABLE nonce (
    issuer TEXT NOT NULL,
    nonce  TEXT NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (issuer, nonce)
) WITHOUT ROWID;
CREATE INDEX nonce_by_end ON nonce (until);
