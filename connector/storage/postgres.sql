-- Every statement of the shared store, by name: `-- :name`, what it is for, the SQL.  `:name` is a parameter (sql.numbered).

-- :name record_get
-- The record of a kind with an id.
SELECT body FROM record WHERE kind = :kind AND id = :id;

-- :name record_list
-- Records of a kind, ids from :low to :high, ascending.
SELECT body FROM record WHERE kind = :kind AND id >= :low AND id <= :high ORDER BY id LIMIT :limit;

-- :name record_find
-- Records that have one key value and all of the others.  The page is cut before the bodies are fetched, so that it is read in
-- order of id from the key's index without sorting.
WITH page AS MATERIALIZED (
    SELECT k.id FROM record_key AS k
     WHERE k.kind = :kind AND k.name = :name AND k.value = :value AND k.id >= :low AND k.id <= :high
       AND NOT EXISTS (
           SELECT 1 FROM unnest(:names::text[], :values::text[]) AS other (name, value)
            WHERE NOT EXISTS (SELECT 1 FROM record_key AS o
                               WHERE o.kind = k.kind AND o.name = other.name AND o.value = other.value AND o.id = k.id))
     ORDER BY k.id LIMIT :limit)
SELECT record.body FROM page JOIN record ON record.kind = :kind AND record.id = page.id ORDER BY page.id;

-- :name key_runs
-- For each of many values of a key the next :step ids from :low on; `run` says of which value.
SELECT v.run, k.id
  FROM unnest(:values::text[]) WITH ORDINALITY AS v (value, run)
 CROSS JOIN LATERAL (
       SELECT id FROM record_key
        WHERE kind = :kind AND name = :name AND value = v.value AND id >= :low
        ORDER BY id LIMIT :step) AS k;

-- :name record_pick
-- Records by their ids, ascending.
SELECT body FROM record WHERE kind = :kind AND id = ANY (:ids::text[]) ORDER BY id;

-- :name record_count
-- How many records of a kind there are.
SELECT count(*) FROM record WHERE kind = :kind;

-- :name key_count
-- How many records have one key value and all of the others.
SELECT count(*) FROM record_key AS k
 WHERE k.kind = :kind AND k.name = :name AND k.value = :value
   AND NOT EXISTS (
       SELECT 1 FROM unnest(:names::text[], :values::text[]) AS other (name, value)
        WHERE NOT EXISTS (SELECT 1 FROM record_key AS o
                           WHERE o.kind = k.kind AND o.name = other.name AND o.value = other.value AND o.id = k.id));

-- :name blob_get
-- Bytes by their name.
SELECT data FROM blob WHERE sha256 = :sha256;

-- :name letter_of_process
-- The letters of one process, oldest first.
SELECT body FROM letter WHERE process = :process ORDER BY posted, number;

-- :name letter_total
-- How many letters wait, and when the oldest was posted; one that is posted for a later day does not count before it.
SELECT count(*) AS total, min(posted) AS oldest FROM letter WHERE posted <= :now;

-- :name letter_claim
-- Take letters that are free, oldest first, each process others than its neighbour takes.
UPDATE letter SET free_at = :until, holder = :holder
 WHERE id IN (SELECT id FROM letter WHERE free_at <= :now ORDER BY free_at, number LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING due, number, body;

-- :name letter_first
-- When the next letter is free.
SELECT min(free_at) FROM letter;

-- :name letter_release
-- Let go of letters of ours, and tell everybody when the first of them is due.
WITH freed AS (
    UPDATE letter SET free_at = due, holder = '' WHERE id = ANY (:ids::text[]) AND holder = :holder RETURNING free_at)
SELECT min(free_at), pg_notify(:channel, min(free_at)::text) FROM freed HAVING count(*) > 0;

-- :name letter_release_all
-- Let go of all letters that a process held, and tell everybody when the first of them is due.
WITH freed AS (UPDATE letter SET free_at = due, holder = '' WHERE holder = :holder RETURNING free_at)
SELECT min(free_at), pg_notify(:channel, min(free_at)::text) FROM freed HAVING count(*) > 0;

-- :name audit_list
-- A writer's entries after a number, in order.
SELECT writer, seq, prev, at, event, subject, data, hash FROM audit
 WHERE writer = :writer AND seq > :after ORDER BY seq LIMIT :limit;

-- :name channel
-- Where the processes of this database and schema notify each other.
SELECT 'saltbridge_' || left(md5(current_schema()), 16);

-- :name writer_list
-- All writers there ever were.
SELECT name FROM writer ORDER BY name;

-- :name writer_heads
-- The last link of everybody else's chain.
SELECT name, seq, hash FROM writer WHERE name <> :name AND seq > 0 ORDER BY name;

-- :name writer_lock
-- Hold a writer's row until the session ends; false when another session does.
SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '/writer/' || :name::text, 0));

-- :name alone_try
-- Be alone on the database until the session ends; false when another session is there.
SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '/alone', 0));

-- :name alone_wait
-- Be one of several as soon as no session is alone.
SELECT pg_advisory_lock_shared(hashtextextended(current_schema() || '/alone', 0));

-- :name alone_share
-- No longer be alone.
SELECT pg_advisory_lock_shared(k), pg_advisory_unlock(k) FROM hashtextextended(current_schema() || '/alone', 0) AS k;

-- :name alone_again
-- Be alone once nobody else is there.
SELECT CASE WHEN pg_try_advisory_lock(k) THEN pg_advisory_unlock_shared(k) ELSE false END
  FROM hashtextextended(current_schema() || '/alone', 0) AS k;

-- :name alone_leave
-- Let go of everything this session holds.
SELECT pg_advisory_unlock_all();

-- :name tell
-- Say a word to the other processes.
SELECT pg_notify(:channel, :word);

-- :name writer_make
-- A row for a new writer, unless the name is taken.
INSERT INTO writer (name, holder, commits, seq, hash) VALUES (:name, '', 0, 0, '') ON CONFLICT DO NOTHING;

-- :name writer_take
-- What the row says of its last holder, which is us from now on.
WITH before AS (SELECT holder FROM writer WHERE name = :name FOR UPDATE)
UPDATE writer SET holder = :holder FROM before WHERE name = :name
RETURNING before.holder AS before, commits, seq, writer.hash;

-- :name look_records
-- The records that a batch writes, as they are stored, ours until the commit; in one order for all, so that nobody waits in a circle.
SELECT w.place, r.version, r.body
  FROM unnest(:kinds::text[], :ids::text[]) WITH ORDINALITY AS w (kind, id, place)
  JOIN record AS r ON r.kind = w.kind AND r.id = w.id
 ORDER BY r.kind, r.id FOR UPDATE OF r;

-- :name look_nonces
-- Which of these nonces were used.
SELECT w.place FROM unnest(:issuers::text[], :nonces::text[]) WITH ORDINALITY AS w (issuer, nonce, place)
  JOIN nonce AS n ON n.issuer = w.issuer AND n.nonce = w.nonce;

-- :name look_letters
-- Which of these letters there are.
SELECT w.place FROM unnest(:ids::text[]) WITH ORDINALITY AS w (id, place) JOIN letter ON letter.id = w.id;

-- What follows are the parts of the one statement that commits a batch: see writers.py.

-- :name commit_nonces
-- Use nonces.
INSERT INTO nonce (issuer, nonce, until)
SELECT * FROM unnest(:nonce_issuers::text[], :nonce_nonces::text[], :nonce_untils::bigint[])
ON CONFLICT DO NOTHING RETURNING 1;

-- :name commit_new
-- Records that must not exist yet.
INSERT INTO record (kind, id, version, body)
SELECT * FROM unnest(:new_kinds::text[], :new_ids::text[], :new_versions::bigint[], :new_bodies::text[])
ON CONFLICT DO NOTHING RETURNING 1;

-- :name commit_swapped
-- Records over the versions that were read.
UPDATE record SET version = w.version, body = w.body
  FROM unnest(:swap_kinds::text[], :swap_ids::text[], :swap_expected::bigint[], :swap_versions::bigint[], :swap_bodies::text[])
    AS w (kind, id, expected, version, body)
 WHERE record.kind = w.kind AND record.id = w.id AND record.version = w.expected RETURNING 1;

-- :name commit_deleted
-- Records that go.
DELETE FROM record USING unnest(:gone_kinds::text[], :gone_ids::text[], :gone_expected::bigint[]) AS w (kind, id, expected)
 WHERE record.kind = w.kind AND record.id = w.id AND record.version = w.expected RETURNING 1;

-- :name commit_keys_gone
-- No longer find records by these key values.
DELETE FROM record_key AS k
 USING unnest(:old_key_kinds::text[], :old_key_names::text[], :old_key_values::text[], :old_key_ids::text[]) AS w (kind, name, value, id)
 WHERE k.kind = w.kind AND k.name = w.name AND k.value = w.value AND k.id = w.id;

-- :name commit_keys_new
-- Make records findable by these key values.
INSERT INTO record_key (kind, name, value, id)
SELECT * FROM unnest(:key_kinds::text[], :key_names::text[], :key_values::text[], :key_ids::text[])
ON CONFLICT DO NOTHING;

-- :name commit_blobs
-- Keep bytes; the same bytes twice are kept once.
INSERT INTO blob (sha256, data) SELECT * FROM unnest(:blob_names::text[], :blob_data::bytea[]) ON CONFLICT DO NOTHING;

-- :name blob_forget
-- Remove bytes that no record names; under a lock on the table, so that nobody keeps the same bytes meanwhile.
DELETE FROM blob WHERE sha256 NOT IN (
    SELECT named[1] FROM record, regexp_matches(body, '"sha256":"([0-9a-f]{64})"', 'g') AS named WHERE kind IN ('document', 'received', 'past'))
RETURNING 1;

-- :name blob_lock
-- Let nobody write bytes until this transaction ends.
LOCK TABLE blob IN SHARE ROW EXCLUSIVE MODE;

-- :name commit_letters_new
-- Post letters whose ids must be free.
INSERT INTO letter (id, process, due, posted, free_at, holder, body)
SELECT * FROM unnest(:post_ids::text[], :post_processes::text[], :post_due::bigint[], :post_posted::bigint[], :post_free_at::bigint[],
                     :post_holders::text[], :post_bodies::text[])
ON CONFLICT DO NOTHING RETURNING 1;

-- :name commit_letters_changed
-- Write letters again; one that was dropped stays dropped, and one that another process took meanwhile stays in its hands.
UPDATE letter
   SET process = w.process, due = w.due, posted = w.posted, body = w.body,
       free_at = CASE WHEN letter.holder IN ('', :me) OR letter.free_at <= :now THEN w.free_at ELSE letter.free_at END,
       holder = CASE WHEN letter.holder IN ('', :me) OR letter.free_at <= :now THEN w.holder ELSE letter.holder END
  FROM unnest(:change_ids::text[], :change_processes::text[], :change_due::bigint[], :change_posted::bigint[],
              :change_free_at::bigint[], :change_holders::text[], :change_bodies::text[])
    AS w (id, process, due, posted, free_at, holder, body)
 WHERE letter.id = w.id;

-- :name commit_letters_dropped
-- Remove letters.
DELETE FROM letter WHERE id = ANY (:drop_ids::text[]);

-- :name commit_audit
-- The next links of our chain.
INSERT INTO audit (writer, seq, prev, at, event, subject, data, hash)
SELECT :name::text, * FROM unnest(:audit_seqs::bigint[], :audit_prevs::text[], :audit_ats::text[], :audit_events::text[],
                            :audit_subjects::text[], :audit_data::text[], :audit_hashes::text[]);

-- :name commit_nonces_expired
-- Forget nonces whose token has expired; the bound keeps one commit short.
DELETE FROM nonce WHERE (issuer, nonce) IN (
    SELECT issuer, nonce FROM nonce WHERE until < :now ORDER BY until LIMIT 2000 FOR UPDATE SKIP LOCKED);

-- :name commit_writer
-- The head of our chain and the number of this commit, if nobody else wrote under our name.
UPDATE writer SET commits = commits + 1, seq = :seq, hash = :hash
 WHERE name = :name AND holder = :me AND commits = :commits RETURNING 1;

-- What follows carries everything out of the database and in: see carry.py.

-- :name carry_size
-- Bytes that the tables take.
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
 WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
   AND relname IN ('meta', 'record', 'record_key', 'blob', 'letter', 'writer', 'audit', 'nonce');

-- :name carry_records
-- All records.
SELECT kind, id, version, body FROM record ORDER BY kind, id;

-- :name carry_keys
-- All key rows; with the record's body where value or id stand otherwise than they were meant (form.key_text).
SELECT kind, name, value, id,
       CASE WHEN strpos(value, chr(1)) > 0 OR strpos(id, chr(1)) > 0
            THEN (SELECT body FROM record AS r WHERE r.kind = k.kind AND r.id = k.id) END
  FROM record_key AS k ORDER BY kind, name, value, id;

-- :name carry_blobs
-- All bytes.
SELECT sha256, data FROM blob ORDER BY sha256;

-- :name carry_letters
-- All letters, in the order they were posted.
SELECT body FROM letter ORDER BY number;

-- :name carry_audit
-- All chains.
SELECT writer, seq, prev, at, event, subject, data, hash FROM audit ORDER BY writer, seq;

-- :name carry_nonces
-- All nonces.
SELECT issuer, nonce, until FROM nonce ORDER BY issuer, nonce;

-- :name carry_writers
-- The heads of the chains that were carried in.
INSERT INTO writer (name, holder, commits, seq, hash)
SELECT DISTINCT ON (writer) writer, '', 0, seq, hash FROM audit ORDER BY writer, seq DESC;

-- :name alone_until_the_end
-- Be alone on the database until this transaction ends; false when somebody is there.
SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || '/alone', 0));
