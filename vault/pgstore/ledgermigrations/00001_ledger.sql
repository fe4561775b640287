-- The ledger's own database. Everything stands in a schema of its own, by which
-- it is always named, so that the function below, which runs with its owner's
-- rights, cannot be led to another table.

-- +goose Up

CREATE SCHEMA fieldvault_ledger;
REVOKE ALL ON SCHEMA fieldvault_ledger FROM PUBLIC;

-- Room on the page: every append changes the row in place.
CREATE TABLE fieldvault_ledger.head (
    position bigint  NOT NULL CHECK (position >= 0),
    id       uuid    NOT NULL,
    one      boolean NOT NULL PRIMARY KEY CHECK (one)
) WITH (fillfactor = 10);
COMMENT ON TABLE fieldvault_ledger.head IS 'One row: the ledger''s id, and the position of the last entry.';
INSERT INTO fieldvault_ledger.head (position, id, one) VALUES (0, gen_random_uuid(), true);

CREATE TABLE fieldvault_ledger.entry (
    position bigint NOT NULL PRIMARY KEY CHECK (position >= 1),
    id       uuid   NOT NULL UNIQUE,
    body     bytea  NOT NULL CHECK (octet_length(body) BETWEEN 1 AND 69632)
);
COMMENT ON TABLE fieldvault_ledger.entry IS 'What must not be forgotten, as vault/ledger/FORMAT.md has it. Append-only; positions have no gaps.';

-- +goose StatementBegin
CREATE FUNCTION fieldvault_ledger.guard() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'head' THEN
        IF NEW.id = OLD.id AND NEW.one AND NEW.position >= OLD.position THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the ledger stands as it was written' USING ERRCODE = 'integrity_constraint_violation';
END;
$$;
-- +goose StatementEnd
CREATE TRIGGER entry_guard BEFORE UPDATE OR DELETE ON fieldvault_ledger.entry
    FOR EACH ROW EXECUTE FUNCTION fieldvault_ledger.guard();
CREATE TRIGGER entry_guard_truncate BEFORE TRUNCATE ON fieldvault_ledger.entry
    FOR EACH STATEMENT EXECUTE FUNCTION fieldvault_ledger.guard();
CREATE TRIGGER head_guard BEFORE UPDATE OR DELETE ON fieldvault_ledger.head
    FOR EACH ROW EXECUTE FUNCTION fieldvault_ledger.guard();
CREATE TRIGGER head_guard_truncate BEFORE TRUNCATE ON fieldvault_ledger.head
    FOR EACH STATEMENT EXECUTE FUNCTION fieldvault_ledger.guard();

-- The one way to append. It returns which of the given entries, counted from 1,
-- have the id of another entry; they are not appended.
--
-- The lock on the head is held until the commit, so appends follow one upon the
-- other: nobody sees a position before those below it, and a rollback leaves no
-- gap. What stands is looked up after the lock, by a statement of its own, which
-- sees all that was committed before. The head is written even when nothing is
-- new, so that the commit waits for a standby: what is there may be there alone.
-- +goose StatementBegin
CREATE FUNCTION fieldvault_ledger.append(ids uuid[], bodies bytea[]) RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last  bigint;
    added bigint;
BEGIN
    SELECT h.position INTO STRICT last FROM fieldvault_ledger.head h WHERE h.one FOR UPDATE;
    INSERT INTO fieldvault_ledger.entry (position, id, body)
    SELECT last + row_number() OVER (ORDER BY f.n), f.id, f.body
    FROM (
        SELECT DISTINCT ON (g.id) g.id, g.body, g.n
        FROM unnest(ids, bodies) WITH ORDINALITY g(id, body, n)
        WHERE NOT EXISTS (SELECT FROM fieldvault_ledger.entry e WHERE e.id = g.id)
        ORDER BY g.id, g.n
    ) f;
    GET DIAGNOSTICS added = ROW_COUNT;
    UPDATE fieldvault_ledger.head h SET position = last + added WHERE h.one;
    RETURN QUERY
    SELECT g.n FROM unnest(ids, bodies) WITH ORDINALITY g(id, body, n)
    JOIN fieldvault_ledger.entry e ON e.id = g.id WHERE e.body <> g.body;
END;
$$;
-- +goose StatementEnd

REVOKE ALL ON fieldvault_ledger.head, fieldvault_ledger.entry FROM PUBLIC;
REVOKE ALL ON FUNCTION fieldvault_ledger.append(uuid[], bytea[]), fieldvault_ledger.guard() FROM PUBLIC;
