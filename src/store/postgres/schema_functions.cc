#include "store/postgres/schema_sql.h"

namespace drover::store::postgres {

const char* const kFunctions1 = R"sql(
-- Partitions of a day. Nothing where they are there.
CREATE FUNCTION drover.make_day(d integer) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
  PERFORM pg_advisory_xact_lock(4923250421);
  IF EXISTS (SELECT 1 FROM drover.day WHERE day = d) THEN RETURN; END IF;
  EXECUTE format('CREATE TABLE drover.task_%s (LIKE drover.task, PRIMARY KEY (seq), UNIQUE (id))', d);
  EXECUTE format('CREATE INDEX ON drover.task_%s (project, seq)', d);
  EXECUTE format('CREATE TABLE drover.result_%s (LIKE drover.result, PRIMARY KEY (job))', d);
  EXECUTE format('CREATE TABLE drover.finished_%s (LIKE drover.finished, PRIMARY KEY (task))', d);
  EXECUTE format('CREATE INDEX ON drover.finished_%s (at_ms, task)', d);
  EXECUTE format('ALTER TABLE drover.task ATTACH PARTITION drover.task_%s FOR VALUES IN (%s)', d, d);
  EXECUTE format('ALTER TABLE drover.result ATTACH PARTITION drover.result_%s FOR VALUES IN (%s)', d, d);
  EXECUTE format('ALTER TABLE drover.finished ATTACH PARTITION drover.finished_%s FOR VALUES IN (%s)', d, d);
  INSERT INTO drover.day VALUES(d);
END $fn$;

CREATE FUNCTION drover.make_audit_day(d integer) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
  PERFORM pg_advisory_xact_lock(4923250421);
  IF EXISTS (SELECT 1 FROM drover.audit_day WHERE day = d) THEN RETURN; END IF;
  EXECUTE format('CREATE TABLE drover.audit_%s (LIKE drover.audit, PRIMARY KEY (seq))', d);
  EXECUTE format('CREATE INDEX ON drover.audit_%s (project, seq)', d);
  EXECUTE format('ALTER TABLE drover.audit ATTACH PARTITION drover.audit_%s FOR VALUES IN (%s)', d, d);
  INSERT INTO drover.audit_day VALUES(d);
END $fn$;

-- The lease: a row of its own for who asks, or whose row is in the way. One at a time, so that of two nodes
-- that ask at once one gets it. A write that is under way holds the row of its node: to delete that waits for
-- its end.
CREATE FUNCTION drover.take_lease(node_id text, who text, ttl_ms bigint, OUT granted bigint, OUT holder text)
  LANGUAGE plpgsql AS $fn$
BEGIN
  PERFORM pg_advisory_xact_lock(4923250422);
  -- A node that asks anew is not the one that had it: its process has ended.
  DELETE FROM drover.node WHERE expires_at < clock_timestamp() OR id = node_id;
  SELECT name INTO holder FROM drover.node LIMIT 1;
  IF FOUND THEN
    granted := 0;
    RETURN;
  END IF;
  granted := nextval('drover.node_epoch');
  INSERT INTO drover.node VALUES(granted, node_id, who, clock_timestamp() + ttl_ms * interval '1 millisecond');
  INSERT INTO drover.node_write(epoch, last) VALUES(granted, 0);
  DELETE FROM drover.node_write WHERE epoch < granted - 1000;
END $fn$;

-- The first command of every write unit: while the unit runs nobody can take the lease away, and of all units
-- of this number one at most is committed.
CREATE FUNCTION drover.fence(e bigint, n bigint) RETURNS void
  LANGUAGE plpgsql AS $fn$
BEGIN
  PERFORM 1 FROM drover.node WHERE epoch = e FOR KEY SHARE;
  IF NOT FOUND THEN RAISE EXCEPTION 'another node has taken over' USING ERRCODE = 'DR001'; END IF;
  UPDATE drover.node_write SET last = n, answers = '{}' WHERE epoch = e AND last < n;
  IF NOT FOUND THEN RAISE EXCEPTION 'unit % is stored already', n USING ERRCODE = 'DR003'; END IF;
END $fn$;

-- What became of unit n, for good: what it answered, if it was committed; else nothing, and it never will be,
-- because its number is taken now.
CREATE FUNCTION drover.settle(e bigint, n bigint) RETURNS text LANGUAGE plpgsql AS $fn$
DECLARE
  alive boolean;
  done bigint;
  answered bigint[];
BEGIN
  PERFORM 1 FROM drover.node WHERE epoch = e FOR KEY SHARE;
  alive := FOUND;
  SELECT last, answers INTO done, answered FROM drover.node_write WHERE epoch = e FOR UPDATE;
  IF done >= n THEN RETURN array_to_string(answered, ' '); END IF;
  IF NOT alive THEN RAISE EXCEPTION 'another node has taken over' USING ERRCODE = 'DR001'; END IF;
  UPDATE drover.node_write SET last = n, answers = '{}' WHERE epoch = e;
  RETURN NULL;
END $fn$;

-- Keeps an answer of a write for settle(), and gives it back.
CREATE FUNCTION drover.answer(e bigint, value bigint) RETURNS bigint LANGUAGE plpgsql AS $fn$
BEGIN
  UPDATE drover.node_write SET answers = answers || value WHERE epoch = e;
  RETURN value;
END $fn$;

CREATE FUNCTION drover.require_finished(rows bigint, wanted bigint) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
  IF rows <> wanted THEN
    RAISE EXCEPTION 'a task cannot finish before its jobs' USING ERRCODE = 'DR002';
  END IF;
END $fn$;

-- Users and what belongs to them: 0 done, 1 the name is taken, 2 there is no such thing.
CREATE FUNCTION drover.update_user(s bigint, n text, p text, on_ boolean, from_ms bigint) RETURNS bigint
  LANGUAGE plpgsql AS $fn$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM drover.users WHERE seq = s) THEN RETURN 2; END IF;
  IF EXISTS (SELECT 1 FROM drover.users WHERE name = n AND seq <> s) THEN RETURN 1; END IF;
  UPDATE drover.users SET name = n, password = p, enabled = on_, sessions_from_ms = from_ms WHERE seq = s;
  RETURN 0;
END $fn$;
CREATE FUNCTION drover.remove_user(s bigint) RETURNS bigint LANGUAGE plpgsql AS $fn$
BEGIN
  DELETE FROM drover.users WHERE seq = s;
  IF NOT FOUND THEN RETURN 2; END IF;
  DELETE FROM drover.role_grant WHERE user_seq = s;
  DELETE FROM drover.access_key WHERE user_seq = s;
  RETURN 0;
END $fn$;
CREATE FUNCTION drover.add_grant(s bigint, pr bigint, po text) RETURNS bigint LANGUAGE plpgsql AS $fn$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM drover.users WHERE seq = s) THEN RETURN 2; END IF;
  INSERT INTO drover.role_grant VALUES(s, pr, po) ON CONFLICT DO NOTHING;
  RETURN CASE WHEN FOUND THEN 0 ELSE 1 END;
END $fn$;
CREATE FUNCTION drover.add_key(i text, s bigint, k bytea, ms bigint) RETURNS bigint LANGUAGE plpgsql AS $fn$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM drover.users WHERE seq = s) THEN RETURN 2; END IF;
  INSERT INTO drover.access_key VALUES(i, s, k, ms) ON CONFLICT DO NOTHING;
  RETURN CASE WHEN FOUND THEN 0 ELSE 1 END;
END $fn$;
)sql";

const char* const kRetention1 = R"sql(
-- A day's partitions, unless somebody reads them for longer than a moment: then later.
CREATE FUNCTION drover.drop_day(d integer) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '200ms' AS $fn$
BEGIN
  EXECUTE format('DROP TABLE drover.task_%s, drover.result_%s, drover.finished_%s', d, d, d);
  DELETE FROM drover.day WHERE day = d;
  RETURN true;
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
  RETURN false;
END $fn$;
CREATE FUNCTION drover.drop_audit_day(d integer) RETURNS boolean LANGUAGE plpgsql
  SET lock_timeout = '200ms' AS $fn$
BEGIN
  EXECUTE format('DROP TABLE drover.audit_%s', d);
  DELETE FROM drover.audit_day WHERE day = d;
  RETURN true;
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
  RETURN false;
END $fn$;

-- A step of what is too old: how many jobs went. Days that are over and done with go whole; of others the
-- tasks that finished first, until 5,000 jobs (a task counts as 4 in addition) or 16 MiB of output are spent.
-- What is left of a task keeps its row in finished, by which the next step finds it.
CREATE FUNCTION drover.delete_old_tasks(before_ms bigint, most_jobs bigint, today integer) RETURNS bigint
  LANGUAGE plpgsql AS $fn$
DECLARE
  jobs_left bigint := 5000;
  bytes_left bigint := 16777216;
  gone bigint := 0;
  stored bigint;
  d integer;
  youngest bigint;
  old record;
  one record;
  until bigint;
  part boolean;
  n bigint;
BEGIN
  SELECT jobs INTO stored FROM drover.stock;
  FOR d IN SELECT day FROM drover.day ORDER BY day LOOP
    IF d < today AND NOT EXISTS (SELECT 1 FROM drover.open_task WHERE day = d) THEN
      EXECUTE format('SELECT max(at_ms) FROM drover.finished_%s', d) INTO youngest;
      IF youngest IS NULL OR (youngest < before_ms AND (d + 1) * 86400000::bigint <= before_ms) THEN
        EXECUTE format('SELECT coalesce(sum(jobs), 0) FROM drover.finished_%s', d) INTO n;
        IF drover.drop_day(d) THEN
          UPDATE drover.stock SET jobs = jobs - n;
          gone := gone + n;
          stored := stored - n;
          IF n > 0 THEN RETURN gone; END IF;
          CONTINUE;
        END IF;
      END IF;
    END IF;
    WHILE jobs_left > 0 AND bytes_left > 0 LOOP
      EXECUTE format('SELECT task, jobs, at_ms FROM drover.finished_%s ORDER BY at_ms, task LIMIT 1', d)
        INTO old;
      EXIT WHEN old.task IS NULL;
      EXIT WHEN old.at_ms >= before_ms AND (most_jobs = 0 OR stored <= most_jobs);
      jobs_left := jobs_left - 4;
      EXECUTE format('DELETE FROM drover.task_%s WHERE seq = $1', d) USING old.task;
      until := NULL;
      part := false;
      FOR one IN EXECUTE format(
          'SELECT job, octet_length(shown) + coalesce(octet_length(out), 0) + coalesce(octet_length(err), 0)'
          ' AS bytes FROM drover.result_%s WHERE job BETWEEN $1 AND $2 ORDER BY job', d)
          USING old.task * 1048576, old.task * 1048576 + 1048575 LOOP
        IF until IS NOT NULL AND (jobs_left <= 0 OR bytes_left <= 0) THEN
          part := true;
          EXIT;
        END IF;
        until := one.job;
        jobs_left := jobs_left - 1;
        bytes_left := bytes_left - one.bytes;
      END LOOP;
      EXECUTE format('DELETE FROM drover.result_%s WHERE job BETWEEN $1 AND $2', d)
        USING old.task * 1048576, CASE WHEN part THEN until ELSE old.task * 1048576 + 1048575 END;
      IF part THEN
        GET DIAGNOSTICS n = ROW_COUNT;
        EXECUTE format('UPDATE drover.finished_%s SET jobs = jobs - $2 WHERE task = $1', d)
          USING old.task, n;
      ELSE
        n := old.jobs;
        EXECUTE format('DELETE FROM drover.finished_%s WHERE task = $1', d) USING old.task;
      END IF;
      UPDATE drover.stock SET jobs = jobs - n;
      stored := stored - n;
      gone := gone + n;
    END LOOP;
    EXIT WHEN jobs_left <= 0 OR bytes_left <= 0;
  END LOOP;
  RETURN gone;
END $fn$;

-- Likewise of the audit log, by whole hours.
CREATE FUNCTION drover.delete_old_audit(before_ms bigint, today integer) RETURNS bigint
  LANGUAGE plpgsql AS $fn$
DECLARE
  ending bigint := before_ms / 3600000 * 3600000;
  entries_left bigint := 5000;
  bytes_left bigint := 16777216;
  gone bigint := 0;
  d integer;
  one record;
  until bigint;
  n bigint;
BEGIN
  FOR d IN SELECT day FROM drover.audit_day WHERE day * 86400000::bigint < ending ORDER BY day LOOP
    IF d < today AND (d + 1) * 86400000::bigint <= ending THEN
      EXECUTE format('SELECT count(*) FROM drover.audit_%s', d) INTO n;
      IF drover.drop_audit_day(d) THEN
        gone := gone + n;
        IF gone > 0 THEN RETURN gone; END IF;
        CONTINUE;
      END IF;
    END IF;
    until := NULL;
    FOR one IN EXECUTE format(
        'SELECT seq, octet_length(instances) AS bytes FROM drover.audit_%s WHERE at_ms < $1 ORDER BY seq', d)
        USING ending LOOP
      EXIT WHEN entries_left <= 0 OR bytes_left <= 0;
      until := one.seq;
      entries_left := entries_left - 1;
      bytes_left := bytes_left - one.bytes;
    END LOOP;
    CONTINUE WHEN until IS NULL;
    EXECUTE format('DELETE FROM drover.audit_%s WHERE seq <= $1 AND at_ms < $2', d) USING until, ending;
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    EXIT WHEN entries_left <= 0 OR bytes_left <= 0;
  END LOOP;
  RETURN gone;
END $fn$;

CREATE FUNCTION drover.delete_old(before_ms bigint, most_jobs bigint, audit_before_ms bigint, today integer)
  RETURNS bigint LANGUAGE plpgsql AS $fn$
DECLARE
  gone bigint := drover.delete_old_tasks(before_ms, most_jobs, today);
BEGIN
  IF gone = 0 THEN gone := drover.delete_old_audit(audit_before_ms, today); END IF;
  RETURN gone;
END $fn$;
)sql";

}  // namespace drover::store::postgres
