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

-- A unit of which a node sent a part, and that stays away with the rest, would keep its row for as long as it
-- likes.
CREATE FUNCTION drover.cut_off(e bigint) RETURNS void LANGUAGE sql AS $fn$
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'drover writer ' || e;
$fn$;

-- A node is gone: its row, so that it stores nothing any more, its shards, and what was addressed to it.
-- Who sends something to the owner of a shard holds the map's lock: it is either sent before, and then what
-- it belongs to is seen by who takes the shard, or finds that the map has changed.
CREATE FUNCTION drover.bury(e bigint) RETURNS boolean LANGUAGE plpgsql AS $fn$
BEGIN
  DELETE FROM drover.node WHERE epoch = e;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM pg_advisory_xact_lock(4923250423);
  UPDATE drover.shard SET node = NULL WHERE node = e;
  DELETE FROM drover.inbox WHERE node = e;
  UPDATE drover.directory SET version = version + 1, map = map + 1;
  RETURN true;
END $fn$;

-- The lease of a new node: a row of its own. One whose id asks anew is not the one that had it: its process has
-- ended.
CREATE FUNCTION drover.register_node(node_id text, who text, ttl_ms bigint) RETURNS bigint
  LANGUAGE plpgsql AS $fn$
DECLARE
  granted bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(4923250422);
  PERFORM drover.cut_off(epoch), drover.bury(epoch) FROM drover.node WHERE id = node_id;
  granted := nextval('drover.node_epoch');
  INSERT INTO drover.node VALUES(granted, node_id, who);
  INSERT INTO drover.lease VALUES(granted, clock_timestamp() + ttl_ms * interval '1 millisecond');
  DELETE FROM drover.node_write WHERE epoch < granted - 1000;
  RETURN granted;
END $fn$;

-- From now on it serves: the others wait for it when something changes. The version by which they know it.
CREATE FUNCTION drover.join_nodes(e bigint) RETURNS bigint LANGUAGE plpgsql AS $fn$
DECLARE
  v bigint;
BEGIN
  UPDATE drover.directory SET version = version + 1 RETURNING version INTO v;
  UPDATE drover.lease SET seen = v WHERE epoch = e;
  IF NOT FOUND THEN RAISE EXCEPTION 'another node has taken over' USING ERRCODE = 'DR001'; END IF;
  RETURN v;
END $fn$;

-- Takes the shards of a node whose lease has ended at that time, and was not renewed since.
CREATE FUNCTION drover.bury_expired(e bigint, at_us bigint) RETURNS boolean LANGUAGE plpgsql AS $fn$
BEGIN
  PERFORM 1 FROM drover.lease WHERE epoch = e AND expires_at < clock_timestamp()
    AND (extract(epoch FROM expires_at) * 1000000)::int8 = at_us;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM drover.cut_off(e);
  PERFORM 1 FROM drover.lease WHERE epoch = e AND expires_at < clock_timestamp()
    AND (extract(epoch FROM expires_at) * 1000000)::int8 = at_us FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  RETURN drover.bury(e);
END $fn$;

-- Takes at most so many shards that are nobody's. All that are the node's then. What was sent to it is dropped,
-- because who calls this reads all open tasks next.
CREATE FUNCTION drover.take_shards(e bigint, most bigint) RETURNS SETOF integer LANGUAGE plpgsql AS $fn$
BEGIN
  IF most > 0 THEN
    PERFORM pg_advisory_xact_lock(4923250423);
    UPDATE drover.shard SET node = e
      WHERE id IN (SELECT id FROM drover.shard WHERE node IS NULL ORDER BY id LIMIT most);
    IF FOUND THEN UPDATE drover.directory SET map = map + 1; END IF;
  END IF;
  DELETE FROM drover.inbox WHERE node = e AND kind = 0;
  RETURN QUERY SELECT id FROM drover.shard WHERE node = e;
END $fn$;

-- Gives shards of the node to another, or to nobody if that one is gone or about to go.
CREATE FUNCTION drover.give_shards(e bigint, taker bigint, ids bigint[]) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
  PERFORM pg_advisory_xact_lock(4923250423);
  UPDATE drover.shard SET node = (SELECT epoch FROM drover.lease WHERE epoch = taker AND seen IS NOT NULL
    AND NOT leaving)
    WHERE node = e AND id = ANY(ids);
  UPDATE drover.directory SET map = map + 1;
END $fn$;

-- Tells other nodes of tasks, unless who owns what has changed since version `v` of the map.
CREATE FUNCTION drover.send_tasks(v bigint, nodes bigint[], tasks bigint[]) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(4923250423);
  PERFORM 1 FROM drover.directory WHERE map = v;
  IF NOT FOUND THEN RAISE EXCEPTION 'the shards have other owners' USING ERRCODE = 'DR004'; END IF;
  INSERT INTO drover.inbox(node, task, kind) SELECT a, b, 0 FROM unnest(nodes, tasks) AS row(a, b);
END $fn$;

-- Asks every node to end what has not begun of a task, and whoever takes over its jobs later. Whether it is
-- open.
CREATE FUNCTION drover.cancel_task(t bigint) RETURNS boolean LANGUAGE plpgsql AS $fn$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(4923250423);
  UPDATE drover.open_task SET cancelled = true WHERE seq = t;
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO drover.inbox(node, task, kind)
    SELECT DISTINCT node, t, 1 FROM drover.shard WHERE node IS NOT NULL;
  RETURN true;
END $fn$;

-- The first command of every write unit: while the unit runs nobody can take the lease away, and of all units
-- of this number one at most is committed.
CREATE FUNCTION drover.fence(e bigint, n bigint) RETURNS void
  LANGUAGE plpgsql AS $fn$
BEGIN
  PERFORM 1 FROM drover.node WHERE epoch = e FOR KEY SHARE;
  IF NOT FOUND THEN RAISE EXCEPTION 'another node has taken over' USING ERRCODE = 'DR001'; END IF;
  INSERT INTO drover.node_write VALUES(e, n, '{}') ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RAISE EXCEPTION 'unit % is stored already', n USING ERRCODE = 'DR003'; END IF;
  PERFORM set_config('drover.unit', n::text, true);
  IF n % 1000 = 0 THEN
    DELETE FROM drover.node_write WHERE epoch = e AND number >= n - 3000 AND number < n - 1000;
  END IF;
END $fn$;

-- What became of unit n, for good: what it answered, if it was committed; else nothing, and it never will be,
-- because its number is taken now. It may be asked again, when this answer got lost.
CREATE FUNCTION drover.settle(e bigint, n bigint) RETURNS text LANGUAGE plpgsql AS $fn$
DECLARE
  alive boolean;
  answered bigint[];
BEGIN
  PERFORM 1 FROM drover.node WHERE epoch = e FOR KEY SHARE;
  alive := FOUND;
  INSERT INTO drover.node_write VALUES(e, n, NULL) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    SELECT answers INTO answered FROM drover.node_write WHERE epoch = e AND number = n;
    RETURN array_to_string(answered, ' ');
  END IF;
  IF NOT alive THEN RAISE EXCEPTION 'another node has taken over' USING ERRCODE = 'DR001'; END IF;
  RETURN NULL;
END $fn$;

-- Keeps an answer of the unit that is under way for settle(), and gives it back.
CREATE FUNCTION drover.answer(e bigint, value bigint) RETURNS bigint LANGUAGE plpgsql AS $fn$
BEGIN
  UPDATE drover.node_write SET answers = answers || value
    WHERE epoch = e AND number = current_setting('drover.unit')::bigint;
  RETURN value;
END $fn$;

-- Makes one row a day of what many units have added. Nobody else does so at the same time.
CREATE FUNCTION drover.fold_stock() RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
  IF NOT pg_try_advisory_xact_lock(4923250424) THEN RETURN; END IF;
  WITH gone AS (DELETE FROM drover.stock RETURNING day, jobs, last_task)
    INSERT INTO drover.stock SELECT 0, 0, coalesce(max(last_task), 0) FROM gone
      UNION ALL SELECT day, sum(jobs), 0 FROM gone GROUP BY day HAVING sum(jobs) <> 0;
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

-- Likewise. One command after the other, so that the second sees a state that the first had to wait for.
CREATE FUNCTION drover.remove_instance(s bigint) RETURNS bigint LANGUAGE plpgsql AS $fn$
DECLARE
  gone record;
BEGIN
  DELETE FROM drover.instance WHERE seq = s RETURNING project, id INTO gone;
  IF NOT FOUND THEN RETURN 2; END IF;
  DELETE FROM drover.phone_state WHERE instance = s;
  INSERT INTO drover.instance_change VALUES(txid_current(), gone.project, gone.id);
  RETURN 0;
END $fn$;

-- The last command of a unit that changes what every node holds in memory. The row's lock lasts until its commit,
-- so that versions follow each other as commits do.
CREATE FUNCTION drover.count_change(of_identities boolean, of_instances boolean) RETURNS void
  LANGUAGE plpgsql AS $fn$
DECLARE
  v bigint;
  noted bigint;
BEGIN
  UPDATE drover.directory SET version = version + 1,
    identities = CASE WHEN of_identities THEN version + 1 ELSE identities END,
    instances = CASE WHEN of_instances THEN version + 1 ELSE instances END,
    noted_from = CASE WHEN of_instances THEN greatest(noted_from, version - 10000) ELSE noted_from END
    RETURNING version, noted_from INTO v, noted;
  IF of_instances THEN
    INSERT INTO drover.instance_unit VALUES(v, txid_current());
    WITH old AS (DELETE FROM drover.instance_unit WHERE version <= noted RETURNING unit)
      DELETE FROM drover.instance_change c USING old WHERE c.unit = old.unit;
  END IF;
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
  taken bigint := 0;
  n bigint;
BEGIN
  SELECT sum(jobs) INTO stored FROM drover.stock;
  FOR d IN SELECT day FROM drover.day ORDER BY day LOOP
    -- Yesterday's may still get a task, from a node whose clock is behind.
    IF d < today - 1 AND NOT EXISTS (SELECT 1 FROM drover.open_task WHERE day = d) THEN
      EXECUTE format('SELECT max(at_ms) FROM drover.finished_%s', d) INTO youngest;
      IF youngest IS NULL OR (youngest < before_ms AND (d + 1) * 86400000::bigint <= before_ms) THEN
        SELECT coalesce(sum(jobs), 0) INTO n FROM drover.stock WHERE day = d;
        IF drover.drop_day(d) THEN
          INSERT INTO drover.stock VALUES(d, -n, 0);
          gone := gone + n;
          stored := stored - n;
          IF n > 0 THEN RETURN gone; END IF;
          CONTINUE;
        END IF;
      END IF;
    END IF;
    -- One walk: each anew would pass by all that went before.
    FOR old IN EXECUTE format(
        'SELECT task, jobs, at_ms FROM drover.finished_%s ORDER BY at_ms, task LIMIT 1300', d) LOOP
      EXIT WHEN jobs_left <= 0 OR bytes_left <= 0;
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
      taken := taken + n;
      stored := stored - n;
      gone := gone + n;
    END LOOP;
    IF taken > 0 THEN INSERT INTO drover.stock VALUES(d, -taken, 0); END IF;
    taken := 0;
    EXIT WHEN jobs_left <= 0 OR bytes_left <= 0;
  END LOOP;
  RETURN gone;
END $fn$;

-- Likewise of the audit log, by whole hours. Entries of a day that goes whole are counted up to 5,000.
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
      EXECUTE format('SELECT count(*) FROM (SELECT FROM drover.audit_%s LIMIT 5000) AS entries', d) INTO n;
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
  PERFORM drover.fold_stock();
  IF gone = 0 THEN gone := drover.delete_old_audit(audit_before_ms, today); END IF;
  RETURN gone;
END $fn$;
)sql";

}  // namespace drover::store::postgres
