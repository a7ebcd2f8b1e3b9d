-- Calls, what must reach the CRM, what was left out and why, and the periods nobody saw.
-- Written for PostgreSQL 13 and later.

-- One row per call that concerns a customer, and per internal call.
create table calls (
  enterprise     text not null,
  external_id    text not null,
  host           text not null,
  linkedid       text not null,
  direction      text not null check (direction in ('in', 'out', 'internal')),
  state          text not null check (state in ('live', 'ended')),
  result         text,
  customer_phone text,
  external_phone text,
  owner          text,
  started_at     timestamptz not null,
  answered_at    timestamptz,
  ended_at       timestamptz,
  record         jsonb not null,
  live           jsonb,
  updated_at     timestamptz not null default now(),
  primary key (enterprise, external_id)
) with (fillfactor = 80);

create index calls_live on calls (enterprise, host) where state = 'live';
create index calls_started on calls (enterprise, started_at desc);
create index calls_linkedid on calls (linkedid);
create index calls_customer_phone on calls (customer_phone, started_at desc) where customer_phone is not null;

-- One row per request (event) or per record (upload) for the CRM. Rows are never deleted: the key of a delivered row
-- keeps a late duplicate out.
create table outbox (
  id          bigint generated always as identity primary key,
  enterprise  text not null,
  account     text not null,
  host        text not null,
  kind        text not null,
  external_id text not null,
  call_id     text not null,
  type        text,
  codes       text[],
  payload     text not null,
  state       text not null default 'pending'
              check (state in ('waiting', 'pending', 'done', 'dead', 'expired', 'discarded')),
  due_at      timestamptz not null,
  next_at     timestamptz not null,
  expires_at  timestamptz,
  attempts    integer not null default 0,
  lease_owner text,
  lease_epoch bigint not null default 0,
  lease_until timestamptz,
  status      integer,
  reason      text,
  reply       text,
  errors      jsonb,
  note        text,
  created_at  timestamptz not null default now(),
  settled_at  timestamptz,
  constraint outbox_key unique (account, kind, external_id)
) with (
  -- room for the claim to update its row in place, and a vacuum that keeps up with the head of the queue
  fillfactor = 80,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0.02,
  autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0
);

-- Order by (next_at, id), not by id: with the latter the planner walks the primary key through everything delivered.
create index outbox_claim on outbox (account, kind, next_at, id) where state = 'pending';
-- The oldest open event of a call goes first.
create index outbox_open_events on outbox (account, call_id, id) where state = 'pending' and kind = 'event';
create index outbox_waiting on outbox (enterprise, due_at) where state = 'waiting';
create index outbox_dead on outbox (enterprise, settled_at) where state = 'dead';
create index outbox_call on outbox (call_id);

-- What was tried for an outbox row, oldest first.
create table attempts (
  outbox_id  bigint not null,
  at         timestamptz not null default now(),
  outcome    text not null check (outcome in ('done', 'later', 'dead', 'expired')),
  status     integer,
  latency_ms integer,
  reason     text
);

create index attempts_outbox on attempts (outbox_id, at);

-- Calls that are not sent, each with its reason.
create table drops (
  id          bigint generated always as identity primary key,
  enterprise  text not null,
  host        text not null,
  linkedid    text not null,
  external_id text,
  reason      text not null,
  at          timestamptz not null,
  detail      jsonb,
  created_at  timestamptz not null default now()
);

-- coalesce: a call without a customer's channel has no external id and is still dropped once.
create unique index drops_key on drops (enterprise, host, linkedid, coalesce(external_id, ''), reason);
create index drops_at on drops (enterprise, at desc);
create index drops_external_id on drops (external_id) where external_id is not null;

-- Periods in which a host was not synced.
create table gaps (
  id                 bigint generated always as identity primary key,
  enterprise         text not null,
  host               text not null,
  from_at            timestamptz not null,
  to_at              timestamptz,
  cause              text not null,
  recovered_snapshot integer,
  lost               integer
);

create unique index gaps_open on gaps (enterprise, host) where to_at is null;
create index gaps_from on gaps (enterprise, host, from_at desc);

-- Which customer of the CRM a number belongs to. No customer id: the CRM was asked and knows none.
create table retailcrm_customers (
  id                    bigint generated always as identity primary key,
  phone                 text not null,
  retailcrm_customer_id bigint,
  enterprise_number     text not null,
  created_at            timestamptz not null default now(),
  updated_at            timestamptz not null default now(),
  fetched_at            timestamptz not null default now(),
  constraint retailcrm_customers_key unique (enterprise_number, phone)
);
