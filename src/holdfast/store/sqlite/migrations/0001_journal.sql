-- Amounts are exact text. crc is CRC-32 over a row's own values: SQLite checks its structure, not what cells say.

CREATE TABLE identity (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    store_id TEXT NOT NULL,
    born_wall_us INTEGER NOT NULL
);

-- Rewritten by every commit, so that a write-ahead log of another store gives itself away by its store_id.
CREATE TABLE journal_state (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    store_id TEXT NOT NULL,
    last_seq INTEGER NOT NULL
);

-- No index by asset: it would touch a page per asset with every commit, and reading a million rows takes 0.1 s.
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    wall_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    asset TEXT,
    total TEXT,
    held TEXT,
    available TEXT,
    source TEXT,
    cause TEXT NOT NULL,
    is_money INTEGER NOT NULL,
    crc INTEGER NOT NULL
);

-- One run of rows without a hole: a UTC day, counted from 1970-01-01.
CREATE TABLE segment (
    number INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL
);

-- The newest row with figures of each asset: a copy, so that it outlives its segment.
CREATE TABLE latest (
    asset TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    wall_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    total TEXT,
    held TEXT,
    available TEXT,
    source TEXT,
    cause TEXT NOT NULL,
    is_money INTEGER NOT NULL,
    crc INTEGER NOT NULL
) WITHOUT ROWID;

-- What latest was when a segment began.
CREATE TABLE checkpoint (
    segment INTEGER NOT NULL,
    asset TEXT NOT NULL,
    seq INTEGER NOT NULL,
    wall_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    total TEXT,
    held TEXT,
    available TEXT,
    source TEXT,
    cause TEXT NOT NULL,
    is_money INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (segment, asset)
) WITHOUT ROWID;

CREATE TABLE fact (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    crc INTEGER NOT NULL
) WITHOUT ROWID;
