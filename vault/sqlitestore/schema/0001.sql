-- The core: tenants, documents, people, keys, records, indexes, consents,
-- effects, events, and what erasures and long work rest on. Times are microseconds since 1970 in UTC; NULL is none.
-- Text is compared byte by byte. A table with a column uid bears rows of
-- people: the sweep and fsck find it by that column.

CREATE TABLE tenant (
  id        INTEGER PRIMARY KEY CHECK (id >= 0),
  name      TEXT    NOT NULL UNIQUE,
  kek_epoch INTEGER NOT NULL CHECK (kek_epoch >= 1),
  created   INTEGER NOT NULL
) STRICT;

CREATE TABLE tenant_key (
  tenant      INTEGER NOT NULL REFERENCES tenant (id),
  label       TEXT    NOT NULL,
  kek_version INTEGER NOT NULL CHECK (kek_version BETWEEN 1 AND 2147483647),
  wrapped     BLOB    NOT NULL CHECK (length(wrapped) > 0),
  PRIMARY KEY (tenant, label)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tenant_key_stays BEFORE DELETE ON tenant_key
WHEN substr(OLD.label, 1, 6) <> 'index/'
BEGIN
  SELECT RAISE (ABORT, 'a tenant keeps its keys; only index keys are destroyed');
END;

CREATE TABLE document (
  tenant  INTEGER NOT NULL REFERENCES tenant (id),
  kind    TEXT    NOT NULL CHECK (kind IN ('catalog', 'policy')),
  version INTEGER NOT NULL CHECK (version >= 1),
  body    BLOB    NOT NULL,
  source  BLOB    NOT NULL,
  actor   TEXT    NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (tenant, kind, version)
) STRICT;

-- The directory: one row a person, never deleted.
CREATE TABLE subject (
  tenant      INTEGER NOT NULL REFERENCES tenant (id),
  lookup      BLOB    NOT NULL CHECK (length(lookup) = 16),
  uid         BLOB    CHECK (length(uid) = 16),
  generation  INTEGER NOT NULL CHECK (generation BETWEEN 1 AND 4294967295),
  state       INTEGER NOT NULL CHECK (state IN (1, 2)),
  restricted  INTEGER NOT NULL CHECK (restricted IN (0, 1)),
  held        INTEGER NOT NULL CHECK (held IN (0, 1)),
  mark        BLOB    NOT NULL,
  sealed_id   BLOB,
  -- All wrapped keys of the person, packed (package keyrow), and the lowest version of
  -- the key-encryption key that wraps one; 0: none does. Nobody erased has any.
  kek_version INTEGER CHECK (kek_version BETWEEN 0 AND 2147483647),
  keys        BLOB    CHECK (length(keys) > 0),
  note        BLOB,
  certificate BLOB,
  created     INTEGER NOT NULL,
  erased_at   INTEGER,
  PRIMARY KEY (tenant, lookup),
  CHECK (state = 2 OR uid IS NOT NULL),
  CHECK (state = 1 OR keys IS NULL),
  CHECK ((keys IS NULL) = (kek_version IS NULL))
) STRICT;

CREATE UNIQUE INDEX subject_uid ON subject (tenant, uid) WHERE uid IS NOT NULL;
CREATE INDEX subject_unswept ON subject (tenant) WHERE state = 2 AND uid IS NOT NULL;
-- For the count of the living, which it answers without the table.
CREATE INDEX subject_living ON subject (tenant, state) WHERE state = 1;

CREATE TRIGGER subject_stays BEFORE DELETE ON subject
BEGIN
  SELECT RAISE (ABORT, 'a row of the directory is never deleted');
END;

CREATE TRIGGER subject_erased_absorbs BEFORE UPDATE ON subject
WHEN NEW.generation < OLD.generation
  OR (OLD.state = 2 AND NEW.state <> 2 AND NEW.generation = OLD.generation)
  OR (NEW.generation > OLD.generation AND NEW.keys IS NOT NULL)
BEGIN
  SELECT RAISE (ABORT, 'erased is for ever');
END;

CREATE TRIGGER subject_keeps_name BEFORE UPDATE OF tenant, lookup ON subject
WHEN NEW.tenant <> OLD.tenant OR NEW.lookup <> OLD.lookup
BEGIN
  SELECT RAISE (ABORT, 'a row of the directory keeps its name');
END;

CREATE TABLE record (
  tenant     INTEGER NOT NULL REFERENCES tenant (id),
  uid        BLOB    NOT NULL CHECK (length(uid) = 16),
  collection INTEGER NOT NULL CHECK (collection BETWEEN 1 AND 4294967295),
  record     TEXT    NOT NULL,
  revision   INTEGER NOT NULL CHECK (revision >= 0),
  deleted    INTEGER NOT NULL CHECK (deleted IN (0, 1)),
  sealed     BLOB,
  PRIMARY KEY (tenant, uid, collection, record),
  CHECK (deleted = 0 OR sealed IS NULL)
) STRICT;

CREATE TABLE search_index (
  tenant     INTEGER NOT NULL REFERENCES tenant (id),
  collection INTEGER NOT NULL,
  field      INTEGER NOT NULL,
  version    INTEGER NOT NULL,
  value      BLOB    NOT NULL,
  uid        BLOB    NOT NULL CHECK (length(uid) = 16),
  record     TEXT    NOT NULL,
  PRIMARY KEY (tenant, collection, field, version, value, uid, record)
) STRICT;

CREATE INDEX search_index_record ON search_index (tenant, uid, collection, record);

CREATE TABLE consent (
  tenant   INTEGER NOT NULL REFERENCES tenant (id),
  uid      BLOB    NOT NULL CHECK (length(uid) = 16),
  purpose  TEXT    NOT NULL,
  decision TEXT    NOT NULL,
  notice   TEXT    NOT NULL,
  method   TEXT    NOT NULL,
  at       INTEGER NOT NULL,
  expires  INTEGER,
  evidence BLOB,
  receipt  BLOB,
  mac      BLOB,
  PRIMARY KEY (tenant, uid, purpose)
) STRICT;

CREATE TABLE consent_event (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant   INTEGER NOT NULL REFERENCES tenant (id),
  uid      BLOB    NOT NULL CHECK (length(uid) = 16),
  purpose  TEXT    NOT NULL,
  decision TEXT    NOT NULL,
  notice   TEXT    NOT NULL,
  method   TEXT    NOT NULL,
  at       INTEGER NOT NULL,
  expires  INTEGER,
  evidence BLOB,
  receipt  BLOB,
  mac      BLOB
) STRICT;

CREATE INDEX consent_event_person ON consent_event (tenant, uid);

CREATE TRIGGER consent_event_stands BEFORE UPDATE ON consent_event
BEGIN
  SELECT RAISE (ABORT, 'the history of consents is only appended to');
END;

CREATE TABLE effect (
  tenant   INTEGER NOT NULL REFERENCES tenant (id),
  key      BLOB    NOT NULL CHECK (length(key) = 32),
  request  BLOB    NOT NULL CHECK (length(request) = 32),
  uid      BLOB    CHECK (length(uid) = 16),
  lookup   BLOB,
  created  INTEGER NOT NULL CHECK (created IN (0, 1)),
  revision INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  expires  INTEGER NOT NULL,
  PRIMARY KEY (tenant, key)
) STRICT;

CREATE INDEX effect_person ON effect (tenant, uid);
CREATE INDEX effect_expires ON effect (expires);

-- A row holds the leaf of one event, or those of several that were written together.
CREATE TABLE event_intake (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant INTEGER NOT NULL REFERENCES tenant (id),
  leaf   BLOB    NOT NULL,
  mac    BLOB
) STRICT;

CREATE TRIGGER event_intake_stands BEFORE UPDATE ON event_intake
BEGIN
  SELECT RAISE (ABORT, 'events are only appended');
END;

CREATE TRIGGER event_intake_stays BEFORE DELETE ON event_intake
WHEN NOT EXISTS (
  SELECT 1 FROM audit_leaf l JOIN audit_pruned p ON p.tenant = l.tenant
  WHERE l.intake = OLD.id AND l.part = 0 AND l.idx < p.below
    AND NOT EXISTS (SELECT 1 FROM audit_leaf b WHERE b.tenant = l.tenant AND b.idx = p.below AND b.intake = OLD.id))
BEGIN
  SELECT RAISE (ABORT, 'events stand as they were written');
END;

-- The trees. What stands beside the hash serves to find events, and is checked against
-- them. The person's column is not called uid: these rows outlive the person, whose
-- uid nobody can look up any more then.
CREATE TABLE audit_leaf (
  tenant INTEGER NOT NULL REFERENCES tenant (id),
  idx    INTEGER NOT NULL CHECK (idx >= 0),
  intake INTEGER NOT NULL,
  part   INTEGER NOT NULL CHECK (part >= 0),
  at     INTEGER NOT NULL,
  event  BLOB    NOT NULL CHECK (length(event) = 16),
  about  BLOB    CHECK (length(about) = 16),
  hash   BLOB    NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (tenant, idx)
) STRICT, WITHOUT ROWID;

-- Of the events of a row of event_intake, which are in the log together or not at all, the
-- first one finds it. With the tenant: a leaf under another one says nothing of the event.
CREATE UNIQUE INDEX audit_leaf_intake ON audit_leaf (intake, tenant) WHERE part = 0;
CREATE INDEX audit_leaf_event ON audit_leaf (tenant, event);
CREATE INDEX audit_leaf_about ON audit_leaf (tenant, about, idx) WHERE about IS NOT NULL;
CREATE INDEX audit_leaf_at ON audit_leaf (tenant, at);

CREATE TABLE audit_node (
  tenant INTEGER NOT NULL REFERENCES tenant (id),
  level  INTEGER NOT NULL CHECK (level >= 1),
  n      INTEGER NOT NULL CHECK (n >= 0),
  hash   BLOB    NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (tenant, level, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_checkpoint (
  tenant INTEGER NOT NULL REFERENCES tenant (id),
  size   INTEGER NOT NULL CHECK (size >= 1),
  at     INTEGER NOT NULL,
  signed BLOB    NOT NULL,
  PRIMARY KEY (tenant, size)
) STRICT, WITHOUT ROWID;

-- One row: the process that sequences, until when, and up to which id of event_intake
-- nothing is open.
CREATE TABLE audit_lead (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  settled INTEGER NOT NULL CHECK (settled >= 0),
  fence   INTEGER NOT NULL,
  until   INTEGER NOT NULL,
  owner   TEXT    NOT NULL
) STRICT;
INSERT INTO audit_lead (one, settled, fence, until, owner) VALUES (1, 0, 0, 0, '');

-- Below which index events were deleted by age. The tree keeps their hashes.
CREATE TABLE audit_pruned (
  tenant INTEGER PRIMARY KEY REFERENCES tenant (id),
  below  INTEGER NOT NULL CHECK (below >= 0)
) STRICT;

CREATE TRIGGER audit_leaf_stands BEFORE UPDATE ON audit_leaf
BEGIN
  SELECT RAISE (ABORT, 'the log is only appended to');
END;

CREATE TRIGGER audit_leaf_stays BEFORE DELETE ON audit_leaf
BEGIN
  SELECT RAISE (ABORT, 'the log is only appended to');
END;

CREATE TRIGGER audit_node_stands BEFORE UPDATE ON audit_node
BEGIN
  SELECT RAISE (ABORT, 'the log is only appended to');
END;

CREATE TRIGGER audit_node_stays BEFORE DELETE ON audit_node
BEGIN
  SELECT RAISE (ABORT, 'the log is only appended to');
END;

CREATE TRIGGER audit_checkpoint_stands BEFORE UPDATE ON audit_checkpoint
BEGIN
  SELECT RAISE (ABORT, 'the log is only appended to');
END;

CREATE TRIGGER audit_checkpoint_stays BEFORE DELETE ON audit_checkpoint
BEGIN
  SELECT RAISE (ABORT, 'the log is only appended to');
END;

-- Entries that the ledger has not shown yet, in the order of their insertion.
CREATE TABLE outbox (
  seq  INTEGER PRIMARY KEY AUTOINCREMENT,
  id   BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
  body BLOB    NOT NULL
) STRICT;

-- One row: up to where the database reflects the ledger.
CREATE TABLE ledger (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  reached INTEGER NOT NULL CHECK (reached >= 0)
) STRICT;

INSERT INTO ledger (one, reached) VALUES (1, 0);

CREATE TRIGGER ledger_rises BEFORE UPDATE ON ledger WHEN NEW.reached < OLD.reached
BEGIN
  SELECT RAISE (ABORT, 'the position in the ledger only rises');
END;

-- Certificates. They are kept for ever and name nobody, so there is no uid.
CREATE TABLE erasure (
  tenant      INTEGER NOT NULL REFERENCES tenant (id),
  id          BLOB    NOT NULL CHECK (length(id) = 16),
  lookup      BLOB    NOT NULL CHECK (length(lookup) = 16),
  generation  INTEGER NOT NULL CHECK (generation BETWEEN 1 AND 4294967295),
  grps        BLOB    NOT NULL CHECK (length(grps) % 4 = 0),
  event       BLOB    NOT NULL CHECK (length(event) = 16),
  at          INTEGER NOT NULL,
  certificate BLOB    NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT;

CREATE INDEX erasure_last ON erasure (tenant, lookup, generation, at);

CREATE TRIGGER erasure_stands BEFORE UPDATE ON erasure
BEGIN
  SELECT RAISE (ABORT, 'certificates stand as they were written');
END;

CREATE TRIGGER erasure_stays BEFORE DELETE ON erasure
BEGIN
  SELECT RAISE (ABORT, 'certificates are kept for ever');
END;

-- Groups of the living that were erased and not cleaned up yet.
CREATE TABLE shred (
  tenant INTEGER NOT NULL REFERENCES tenant (id),
  uid    BLOB    NOT NULL CHECK (length(uid) = 16),
  grp    INTEGER NOT NULL CHECK (grp BETWEEN 1 AND 4294967295),
  epoch  INTEGER NOT NULL CHECK (epoch BETWEEN 1 AND 4294967295),
  PRIMARY KEY (tenant, uid, grp)
) STRICT;

-- Data keys that were replaced, and whose values are not sealed anew yet.
CREATE TABLE reseal (
  tenant  INTEGER NOT NULL REFERENCES tenant (id),
  uid     BLOB    NOT NULL CHECK (length(uid) = 16),
  grp     INTEGER NOT NULL CHECK (grp BETWEEN 1 AND 4294967295),
  version INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
  PRIMARY KEY (tenant, uid, grp)
) STRICT;

-- People who are bait: made up, and read by nobody who has a reason. Without a good
-- mac a row counts for nothing.
CREATE TABLE honey (
  tenant INTEGER NOT NULL REFERENCES tenant (id),
  uid    BLOB    NOT NULL CHECK (length(uid) = 16),
  mac    BLOB    NOT NULL,
  PRIMARY KEY (tenant, uid)
) STRICT;

-- Sign-in links and sessions of people that are not spent. What they say is sealed,
-- and with whoever holds them.
CREATE TABLE ticket (
  tenant  INTEGER NOT NULL REFERENCES tenant (id),
  uid     BLOB    NOT NULL CHECK (length(uid) = 16),
  id      BLOB    NOT NULL CHECK (length(id) = 16),
  expires INTEGER NOT NULL,
  body    BLOB,
  PRIMARY KEY (tenant, uid, id)
) STRICT;
CREATE INDEX ticket_expires ON ticket (expires);

-- What stands for a field of a record in place of its value, by a keyed hash. Without a
-- good mac a row counts for nothing.
CREATE TABLE token (
  tenant     INTEGER NOT NULL REFERENCES tenant (id),
  hash       BLOB    NOT NULL CHECK (length(hash) = 32),
  uid        BLOB    NOT NULL CHECK (length(uid) = 16),
  collection INTEGER NOT NULL CHECK (collection BETWEEN 1 AND 4294967295),
  record     TEXT    NOT NULL,
  field      INTEGER NOT NULL CHECK (field BETWEEN 1 AND 4294967295),
  grp        INTEGER NOT NULL CHECK (grp BETWEEN 1 AND 4294967295),
  epoch      INTEGER NOT NULL CHECK (epoch BETWEEN 1 AND 4294967295),
  purpose    TEXT    NOT NULL,
  kind       INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),
  once       INTEGER NOT NULL CHECK (once IN (0, 1)),
  created    INTEGER NOT NULL,
  expires    INTEGER,
  sealed     BLOB,
  mac        BLOB    NOT NULL,
  PRIMARY KEY (tenant, hash)
) STRICT;
CREATE INDEX token_person ON token (tenant, uid, collection, record, field);
CREATE INDEX token_expires ON token (expires) WHERE expires IS NOT NULL;

-- What people asked for, with their words sealed in the body. Without a good mac a row
-- counts for nothing.
CREATE TABLE request (
  tenant INTEGER NOT NULL REFERENCES tenant (id),
  id     BLOB    NOT NULL CHECK (length(id) = 16),
  uid    BLOB    NOT NULL CHECK (length(uid) = 16),
  filed  INTEGER NOT NULL,
  body   BLOB    NOT NULL,
  mac    BLOB    NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT;

CREATE INDEX request_person ON request (tenant, uid);

-- What is kept of a request after its person: about nobody.
CREATE TABLE request_log (
  tenant   INTEGER NOT NULL REFERENCES tenant (id),
  id       BLOB    NOT NULL CHECK (length(id) = 16),
  open     INTEGER NOT NULL CHECK (open IN (0, 1)),
  due      INTEGER NOT NULL,
  reminded INTEGER,
  forget   INTEGER,
  body     BLOB    NOT NULL,
  mac      BLOB    NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT;

CREATE INDEX request_log_due ON request_log (tenant, due, id);
CREATE INDEX request_log_open ON request_log (tenant, due, id) WHERE open = 1;
CREATE INDEX request_log_forget ON request_log (tenant, forget) WHERE forget IS NOT NULL;

CREATE TABLE tally (
  tenant INTEGER NOT NULL REFERENCES tenant (id),
  key    BLOB    NOT NULL CHECK (length(key) = 32),
  since  INTEGER NOT NULL,
  count  INTEGER NOT NULL CHECK (count >= 0),
  PRIMARY KEY (tenant, key)
) STRICT;

-- What statistics have spent of what may be learnt about a collection, by purpose.
-- Without a good mac a row counts as spent.
CREATE TABLE budget (
  tenant     INTEGER NOT NULL REFERENCES tenant (id),
  collection INTEGER NOT NULL CHECK (collection BETWEEN 1 AND 4294967295),
  purpose    TEXT    NOT NULL,
  rho        INTEGER NOT NULL CHECK (rho >= 0),
  delta      INTEGER NOT NULL CHECK (delta >= 0),
  answers    INTEGER NOT NULL CHECK (answers >= 0),
  mac        BLOB    NOT NULL,
  PRIMARY KEY (tenant, collection, purpose)
) STRICT;

CREATE TRIGGER budget_stays BEFORE DELETE ON budget
BEGIN
  SELECT RAISE (ABORT, 'what was spent of a budget is kept');
END;

CREATE TRIGGER budget_rises BEFORE UPDATE ON budget
WHEN NEW.tenant <> OLD.tenant OR NEW.collection <> OLD.collection OR NEW.purpose <> OLD.purpose
  OR NEW.rho < OLD.rho OR NEW.delta < OLD.delta OR NEW.answers < OLD.answers
BEGIN
  SELECT RAISE (ABORT, 'what was spent of a budget only rises');
END;

-- When tables about a collection were released for a purpose, in microseconds since
-- 1970. Without a good mac none is.
CREATE TABLE release_turn (
  tenant     INTEGER NOT NULL REFERENCES tenant (id),
  collection INTEGER NOT NULL CHECK (collection BETWEEN 1 AND 4294967295),
  purpose    TEXT    NOT NULL,
  releases   INTEGER NOT NULL CHECK (releases >= 0),
  tries      INTEGER NOT NULL CHECK (tries >= 0),
  first      INTEGER NOT NULL CHECK (first >= 0),
  began      INTEGER NOT NULL CHECK (began >= 0),
  last       INTEGER NOT NULL CHECK (last >= 0),
  mac        BLOB    NOT NULL,
  PRIMARY KEY (tenant, collection, purpose)
) STRICT;

CREATE TRIGGER release_turn_stays BEFORE DELETE ON release_turn
BEGIN
  SELECT RAISE (ABORT, 'when tables were released is kept');
END;

CREATE TRIGGER release_turn_rises BEFORE UPDATE ON release_turn
WHEN NEW.tenant <> OLD.tenant OR NEW.collection <> OLD.collection OR NEW.purpose <> OLD.purpose
  OR NEW.releases < OLD.releases OR NEW.tries < OLD.tries OR NEW.first < OLD.first OR NEW.began < OLD.began OR NEW.last < OLD.last
BEGIN
  SELECT RAISE (ABORT, 'a turn of releases only rises');
END;

CREATE TABLE approval (
  tenant  INTEGER NOT NULL REFERENCES tenant (id),
  id      BLOB    NOT NULL CHECK (length(id) = 16),
  kind    TEXT    NOT NULL,
  digest  BLOB    NOT NULL CHECK (length(digest) = 32),
  body    BLOB,
  actor   TEXT    NOT NULL,
  asker   BLOB    NOT NULL CHECK (length(asker) = 32),
  decider TEXT    NOT NULL,
  count   INTEGER NOT NULL,
  state   INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  decided INTEGER,
  PRIMARY KEY (tenant, id)
) STRICT;

CREATE INDEX approval_standing ON approval (tenant, kind, asker, digest) WHERE state IN (1, 2);
CREATE INDEX approval_newest ON approval (tenant, created, id);

CREATE TABLE job (
  tenant  INTEGER NOT NULL REFERENCES tenant (id),
  id      BLOB    NOT NULL CHECK (length(id) = 16),
  kind    TEXT    NOT NULL,
  state   INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
  params  BLOB    NOT NULL,
  cursor  BLOB    NOT NULL,
  done    INTEGER NOT NULL,
  total   INTEGER NOT NULL,
  note    TEXT    NOT NULL,
  actor   TEXT    NOT NULL,
  owner   TEXT    NOT NULL,
  fence   INTEGER NOT NULL CHECK (fence >= 0),
  lease   INTEGER,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT;

CREATE UNIQUE INDEX job_one ON job (tenant, kind) WHERE state IN (1, 2);
CREATE INDEX job_newest ON job (tenant, created, id);
CREATE INDEX job_ended ON job (updated) WHERE state IN (3, 4);

-- How often versions of keys were used, and when they were made and destroyed.
CREATE TABLE key_life (
  tenant    INTEGER NOT NULL REFERENCES tenant (id),
  key       TEXT    NOT NULL,
  version   INTEGER NOT NULL CHECK (version >= 0),
  uses      INTEGER NOT NULL CHECK (uses >= 0),
  created   INTEGER,
  destroyed INTEGER,
  PRIMARY KEY (tenant, key, version)
) STRICT;
