#include "store/postgres/schema_sql.h"

namespace drover::store::postgres {

const char* const kTables1 = R"sql(
CREATE SEQUENCE drover.node_epoch;
CREATE TABLE drover.node(
  epoch bigint PRIMARY KEY,
  id text NOT NULL,
  name text NOT NULL);
-- Apart from it, because it changes every second, and each unit locks the node's row.
CREATE TABLE drover.lease(
  epoch bigint PRIMARY KEY REFERENCES drover.node ON DELETE CASCADE,
  expires_at timestamptz NOT NULL,
  seen bigint,                 -- the version of the directory that it goes by; NULL: it does not serve yet
  leaving boolean NOT NULL DEFAULT false,  -- it is about to stop: it is given no shards
  full_of bigint[] NOT NULL DEFAULT '{}')  -- projects of which it takes no more jobs; 0: of none
  WITH (fillfactor = 50);
CREATE TABLE drover.shard(
  id integer PRIMARY KEY,
  node bigint)                 -- NULL: nobody's
  WITH (fillfactor = 50);
INSERT INTO drover.shard SELECT generate_series(0, 255), NULL;
CREATE TABLE drover.inbox(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  node bigint NOT NULL,
  task bigint NOT NULL,
  kind integer NOT NULL)       -- 0: jobs of a new task; 1: cancel the task
  WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX inbox_by_node ON drover.inbox(node, kind);
CREATE TABLE drover.directory(
  only_row boolean PRIMARY KEY CHECK (only_row),
  version bigint NOT NULL,     -- counts changes of nodes, users and instances
  identities bigint NOT NULL,  -- the version in which users and what belongs to them changed last
  instances bigint NOT NULL,   -- likewise instances
  noted_from bigint NOT NULL,  -- what changed of instances after this version is noted in instance_change
  map bigint NOT NULL,         -- counts changes of who owns which shard
  mark bytea)                  -- by which nodes see whether they have the same secrets
  WITH (fillfactor = 50);
INSERT INTO drover.directory VALUES(true, 1, 1, 1, 1, 1, NULL);
-- Numbers of tasks by the sixteen.
CREATE SEQUENCE drover.task_block;
-- A row a write unit, because a row that each of them changed would have as many dead versions to be passed as
-- there were units since the oldest transaction that somebody keeps open.
CREATE TABLE drover.node_write(
  epoch bigint NOT NULL,
  number bigint NOT NULL,
  answers bigint[],            -- NULL: nothing was stored under this number, and nothing ever will be
  PRIMARY KEY(epoch, number))
  WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
-- Likewise: what each unit adds. Now and then they are made one a day.
CREATE TABLE drover.stock(
  day integer NOT NULL,
  jobs bigint NOT NULL,
  last_task bigint NOT NULL)
  WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
INSERT INTO drover.stock VALUES(0, 0, 0);

CREATE TABLE drover.open_task(
  seq bigint PRIMARY KEY,
  day integer NOT NULL,
  jobs integer NOT NULL,
  cancelled boolean NOT NULL DEFAULT false)
  WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE TABLE drover.begun(
  job bigint PRIMARY KEY,
  at_ms bigint NOT NULL)
  WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- bytea where text would be: commands, names and messages may hold NUL, and any bytes.
CREATE TABLE drover.task(
  seq bigint NOT NULL,
  project bigint NOT NULL,
  created_ms bigint NOT NULL,
  day integer NOT NULL,
  jobs integer NOT NULL,
  start_deadline_s bigint NOT NULL,
  run_timeout_s bigint NOT NULL,
  id bytea NOT NULL,           -- the first 12 bytes; the others are 0
  command bytea NOT NULL,
  targets bytea NOT NULL)      -- joined by newlines
  PARTITION BY LIST (day);
CREATE TABLE drover.result(
  job bigint NOT NULL,
  begun_ms bigint NOT NULL,
  ended_ms bigint NOT NULL,
  out_omitted bigint NOT NULL,
  out_omitted_at bigint NOT NULL,
  err_omitted bigint NOT NULL,
  err_omitted_at bigint NOT NULL,
  output_bytes bigint NOT NULL,
  output_hash bigint NOT NULL,
  day integer NOT NULL,
  state integer NOT NULL,
  error integer NOT NULL,
  exit_code integer NOT NULL,
  message bytea NOT NULL,
  shown bytea NOT NULL,
  out bytea,                   -- NULL: the same bytes as shown
  err bytea)                   -- likewise
  PARTITION BY LIST (day);
CREATE TABLE drover.finished(
  task bigint NOT NULL,
  at_ms bigint NOT NULL,
  day integer NOT NULL,
  jobs integer NOT NULL,       -- results that are stored
  succeeded integer NOT NULL,
  failed integer NOT NULL,
  lost integer NOT NULL,
  cancelled integer NOT NULL)
  PARTITION BY LIST (day);
CREATE TABLE drover.day(day integer PRIMARY KEY);

CREATE SEQUENCE drover.audit_seq;
CREATE TABLE drover.audit(
  seq bigint NOT NULL,
  at_ms bigint NOT NULL,
  project bigint NOT NULL,
  day integer NOT NULL,
  status integer NOT NULL,
  actor bytea NOT NULL,
  address bytea NOT NULL,
  request_id bytea NOT NULL,
  action bytea NOT NULL,
  subject bytea NOT NULL,
  message bytea NOT NULL,
  instances bytea NOT NULL)    -- joined by newlines
  PARTITION BY LIST (day);
CREATE TABLE drover.audit_day(day integer PRIMARY KEY);
CREATE FUNCTION drover.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
  RAISE EXCEPTION 'the audit log is only added to';
END $fn$;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON drover.audit
  FOR EACH ROW EXECUTE FUNCTION drover.refuse_change();

CREATE TABLE drover.project(
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text NOT NULL UNIQUE,
  name text NOT NULL UNIQUE,
  koophone_commands_only boolean NOT NULL,
  created_ms bigint NOT NULL);
CREATE TABLE drover.token(
  id text PRIMARY KEY,
  hash bytea NOT NULL,
  project bigint NOT NULL,
  policy text NOT NULL,
  created_ms bigint NOT NULL,
  expires_ms bigint NOT NULL);
CREATE TABLE drover.users(
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text NOT NULL UNIQUE,
  name text NOT NULL UNIQUE,
  password text NOT NULL,
  enabled boolean NOT NULL,
  created_ms bigint NOT NULL,
  sessions_from_ms bigint NOT NULL);
CREATE TABLE drover.role_grant(
  user_seq bigint NOT NULL,
  project bigint NOT NULL,     -- 0: all
  policy text NOT NULL,
  PRIMARY KEY(user_seq, project, policy));
CREATE TABLE drover.policy(
  name text PRIMARY KEY,
  text text NOT NULL,
  created_ms bigint NOT NULL);
CREATE TABLE drover.access_key(
  id text PRIMARY KEY,
  user_seq bigint NOT NULL,
  sealed bytea NOT NULL,
  created_ms bigint NOT NULL);
CREATE INDEX access_key_by_user ON drover.access_key(user_seq);
CREATE TABLE drover.revocation(
  session bytea PRIMARY KEY,
  expires_ms bigint NOT NULL);
CREATE INDEX revocation_by_end ON drover.revocation(expires_ms);
-- How the owner of its shard is linked to a phone, for the other nodes.
CREATE TABLE drover.phone_state(
  instance bigint PRIMARY KEY,
  since_ms bigint NOT NULL,
  state integer NOT NULL,
  why bytea NOT NULL,
  model bytea NOT NULL)
  WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE drover.instance(
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project bigint NOT NULL,
  id text NOT NULL,
  address text NOT NULL,
  labels text NOT NULL,        -- KEY=VALUE, joined by newlines
  created_ms bigint NOT NULL,
  UNIQUE(project, id));
-- Which instances a unit put or removed, by its transaction, and which version it led to. That comes to be known
-- at the end of a unit, and rows that are there already are not written again for it.
CREATE TABLE drover.instance_change(
  unit bigint NOT NULL,
  project bigint NOT NULL,
  id text NOT NULL);
CREATE INDEX instance_change_by_unit ON drover.instance_change(unit);
CREATE TABLE drover.instance_unit(
  version bigint PRIMARY KEY,
  unit bigint NOT NULL);
)sql";

}  // namespace drover::store::postgres
