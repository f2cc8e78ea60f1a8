-- Schema 2 of the embedded store: a process that runs is found by whose it is, so that a peer's quota is one count.

INSERT OR IGNORE INTO record_key (kind, name, value, id)
SELECT kind, 'open', json_extract(body, '$.peer'), id
  FROM record
 WHERE kind IN ('negotiation', 'transfer')
   AND json_extract(body, '$.place.state') NOT IN ('FINALIZED', 'COMPLETED', 'TERMINATED');
