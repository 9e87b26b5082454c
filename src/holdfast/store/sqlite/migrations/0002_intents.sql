-- Reservations and what became of their orders, each row whole: a later one of the intent takes its place.
-- Numbered as they first came, and found by their number alone. Ids fall anywhere: with an index for each of the two,
-- every reservation would write two more pages, which cost four times as much as all the rest of it. That no two
-- intents have the same ids is kept by the one writer, which reads all of them when it opens the file.

CREATE TABLE intent (
    number INTEGER PRIMARY KEY,
    intent_id TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    is_ended INTEGER NOT NULL,
    wall_us INTEGER NOT NULL,
    record TEXT NOT NULL,
    crc INTEGER NOT NULL
);

CREATE INDEX intent_by_change ON intent (is_ended, wall_us);

-- How many there are and the sum of their checksums, renewed by every commit: a row that went missing or came back
-- from an older page is noticed. intents_kept counts every row ever kept and, like last_seq, only rises.
ALTER TABLE journal_state ADD COLUMN intents INTEGER NOT NULL DEFAULT 0;
ALTER TABLE journal_state ADD COLUMN intents_sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE journal_state ADD COLUMN intents_kept INTEGER NOT NULL DEFAULT 0;
