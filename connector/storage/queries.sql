-- Every statement of the embedded store, by name.  A block is `-- :name`, one or more lines that say what it is for, the SQL.

-- :name meta_get
-- One fact about the file itself.
SELECT value FROM meta WHERE name = :name;

-- :name meta_set
-- Write a fact about the file itself.
INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- :name record_get
-- The record of a kind with an id.
SELECT body FROM record WHERE kind = :kind AND id = :id;

-- :name record_list
-- Records of a kind, ids from :low to :high, ascending.
SELECT body FROM record WHERE kind = :kind AND id >= :low AND id <= :high ORDER BY id LIMIT :limit;

-- :name record_find
-- Records that have one key value and all of :others ({name: value} as JSON).  CROSS JOIN pins the walk to the key's index, so
-- that a page is read in order of id without sorting.
SELECT record.body
  FROM record_key AS k CROSS JOIN record ON record.kind = k.kind AND record.id = k.id
 WHERE k.kind = :kind AND k.name = :name AND k.value = :value AND k.id >= :low AND k.id <= :high
   AND NOT EXISTS (
       SELECT 1 FROM json_each(:others) AS other
        WHERE NOT EXISTS (SELECT 1 FROM record_key AS o
                           WHERE o.kind = k.kind AND o.name = other.key AND o.value = other.value AND o.id = k.id))
 ORDER BY k.id LIMIT :limit;

-- :name key_ids
-- Ids that have one value of a key, from :low on: one run of the merge behind `find_any`.
SELECT id FROM record_key WHERE kind = :kind AND name = :name AND value = :value AND id >= :low ORDER BY id LIMIT :limit;

-- :name record_pick
-- Records by their ids (a JSON list), ascending.
SELECT body FROM record WHERE kind = :kind AND id IN (SELECT value FROM json_each(:ids)) ORDER BY id;

-- :name record_count
-- How many records of a kind there are.
SELECT count(*) FROM record WHERE kind = :kind;

-- :name key_count_alone
-- How many records have one key value: looks into the index only.
SELECT count(*) FROM record_key WHERE kind = :kind AND name = :name AND value = :value;

-- :name key_count
-- How many records have one key value and all of :others.
SELECT count(*)
  FROM record_key AS k
 WHERE k.kind = :kind AND k.name = :name AND k.value = :value
   AND NOT EXISTS (
       SELECT 1 FROM json_each(:others) AS other
        WHERE NOT EXISTS (SELECT 1 FROM record_key AS o
                           WHERE o.kind = k.kind AND o.name = other.key AND o.value = other.value AND o.id = k.id));

-- :name record_insert
-- Write a record that must not exist yet; no row changes when it does.
INSERT INTO record (kind, id, version, body) VALUES (:kind, :id, :version, :body) ON CONFLICT (kind, id) DO NOTHING;

-- :name record_swap
-- Write a record over the version that was read; no row changes when somebody was quicker.
UPDATE record SET version = :version, body = :body WHERE kind = :kind AND id = :id AND version = :expected;

-- :name record_delete
-- Remove a record.
DELETE FROM record WHERE kind = :kind AND id = :id;

-- :name key_insert
-- Make a record findable by one key value.
INSERT INTO record_key (kind, name, value, id) VALUES (:kind, :name, :value, :id) ON CONFLICT DO NOTHING;

-- :name key_delete
-- No longer find a record by one key value.
DELETE FROM record_key WHERE kind = :kind AND name = :name AND value = :value AND id = :id;

-- :name blob_get
-- Bytes by their name.
SELECT data FROM blob WHERE sha256 = :sha256;

-- :name blob_keep
-- Keep bytes; the same bytes twice are kept once.
INSERT INTO blob (sha256, data) VALUES (:sha256, :data) ON CONFLICT (sha256) DO NOTHING;

-- :name blob_forget
-- Remove bytes that no record names: walks the index of names, not the bytes.
DELETE FROM blob WHERE NOT EXISTS (SELECT 1 FROM (SELECT json_extract(body, '$.sha256') AS named FROM record
                                                   WHERE kind IN ('document', 'received', 'past')) WHERE named = blob.sha256);

-- :name letter_post
-- Write a new letter; no row changes when its id is taken.
INSERT INTO letter (id, process, due, posted, body) VALUES (:id, :process, :due, :posted, :body) ON CONFLICT (id) DO NOTHING;

-- :name letter_replace
-- Write a letter again; a letter that was dropped meanwhile stays dropped.
UPDATE letter SET due = :due, body = :body WHERE id = :id;

-- :name letter_drop
-- Remove a letter.
DELETE FROM letter WHERE id = :id;

-- :name letter_pick
-- Letters by their ids (a JSON list).
SELECT id, body FROM letter WHERE id IN (SELECT value FROM json_each(:ids));

-- :name letter_of_process
-- The letters of one process, oldest first.
SELECT body FROM letter WHERE process = :process ORDER BY posted, rowid;

-- :name letter_due
-- When each letter is due, in order: read once, when the store is opened.
SELECT id, due FROM letter ORDER BY due, rowid;

-- :name letter_total
-- How many letters wait, and when the oldest was posted; one that is posted for a later day does not count before it.
SELECT count(*), min(posted) FROM letter WHERE posted <= :now;

-- :name audit_head
-- The last link of a writer's chain.
SELECT seq, hash FROM audit WHERE writer = :writer ORDER BY seq DESC LIMIT 1;

-- :name audit_append
-- The next link.
INSERT INTO audit (writer, seq, prev, at, event, subject, data, hash)
VALUES (:writer, :seq, :prev, :at, :event, :subject, :data, :hash);

-- :name audit_list
-- A writer's entries after a number, in order.
SELECT writer, seq, prev, at, event, subject, data, hash FROM audit
 WHERE writer = :writer AND seq > :after ORDER BY seq LIMIT :limit;

-- :name writer_list
-- All writers of chains; one, unless the file was written from a database that several processes shared.
SELECT DISTINCT writer FROM audit ORDER BY writer;

-- :name nonce_insert
-- Use a nonce; no row changes when it was used before.
INSERT INTO nonce (issuer, nonce, until) VALUES (:issuer, :nonce, :until) ON CONFLICT DO NOTHING;

-- :name nonce_purge
-- Forget nonces whose token has expired; the bound keeps one commit short.
DELETE FROM nonce WHERE (issuer, nonce) IN (SELECT issuer, nonce FROM nonce WHERE until < :now ORDER BY until LIMIT 2000);
