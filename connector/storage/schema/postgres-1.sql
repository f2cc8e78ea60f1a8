-- Schema 1 of the shared store.  Ids and keys compare byte by byte (COLLATE "C"), which is the order of ids everywhere, and are
-- written by form.key_text.  Instants are integers: microseconds since 1970 in UTC.

-- What the database is: schema version.
CREATE TABLE meta (
    name  text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- One row per record of connector.records; `body` is the whole dataclass as JSON, `version` what compare-and-swap looks at.
-- Text and not jsonb: the body has to come back as it was written, and jsonb refuses \u0000.
CREATE TABLE record (
    kind    text COLLATE "C" NOT NULL,
    id      text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    body    text NOT NULL,
    PRIMARY KEY (kind, id)
);

-- What records may be found by: one row per value of `keys()`.  Written and removed with the record, so a release that
-- changes the keys() of a record has to bring a schema step that writes these rows again.
CREATE TABLE record_key (
    kind  text COLLATE "C" NOT NULL,
    name  text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    id    text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, name, value, id)
);

-- Bytes under the SHA-256 (hex) that names them.
CREATE TABLE blob (
    sha256 text COLLATE "C" PRIMARY KEY,
    data   bytea NOT NULL
);

-- The outbox of all processes.  A letter may be taken from `free_at` on: its due time, or the end of the lease of `holder` (a
-- process; '' when nobody has it).  `number` keeps letters of one moment in the order they were posted.
CREATE TABLE letter (
    id      text COLLATE "C" PRIMARY KEY,
    number  bigint GENERATED ALWAYS AS IDENTITY,
    process text COLLATE "C" NOT NULL,
    due     bigint NOT NULL,
    posted  bigint NOT NULL,
    free_at bigint NOT NULL,
    holder  text COLLATE "C" NOT NULL,
    body    text NOT NULL
);
CREATE INDEX letter_by_time ON letter (free_at, number);
CREATE INDEX letter_by_process ON letter (process);
CREATE INDEX letter_by_holder ON letter (holder) WHERE holder <> '';

-- Who writes audit chains: a process holds a row for as long as its session holds the advisory lock of that name, and finds it
-- again after a restart.  `commits` counts what was committed under it, so that an answer that got lost can be looked up; `seq`
-- and `hash` are the head of the chain.
CREATE TABLE writer (
    name    text COLLATE "C" PRIMARY KEY,
    holder  text NOT NULL,
    commits bigint NOT NULL,
    seq     bigint NOT NULL,
    hash    text NOT NULL
);

-- The audit chains: `hash` covers the entry and `prev` (see storage/chain.py).
CREATE TABLE audit (
    writer  text COLLATE "C" NOT NULL,
    seq     bigint NOT NULL,
    prev    text NOT NULL,
    at      text NOT NULL,
    event   text NOT NULL,
    subject text NOT NULL,
    data    text NOT NULL,
    hash    text NOT NULL,
    PRIMARY KEY (writer, seq)
);

-- Nonces of tokens that were used; a row may go once the token has expired anyway.
CREATE TABLE nonce (
    issuer text COLLATE "C" NOT NULL,
    nonce  text COLLATE "C" NOT NULL,
    until  bigint NOT NULL,
    PRIMARY KEY (issuer, nonce)
);
CREATE INDEX nonce_by_end ON nonce (until);

-- Ends a statement, and with it everything it wrote, unless what it relied on was so.
CREATE FUNCTION demand(holds boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF holds IS NOT TRUE THEN
        RAISE EXCEPTION 'somebody else wrote meanwhile' USING ERRCODE = 'SB409';
    END IF;
END
$$;
