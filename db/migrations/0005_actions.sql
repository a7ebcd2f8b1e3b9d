-- Clicks on a number: what was asked, what was asked of the PBX, what came of it. A row is committed before a phone may ring.
create table clicks (
  enterprise  text not null,
  id          text not null,
  -- the caller's id of this request, or the click's own
  request_id  text not null,
  employee    text not null,
  phone       text not null,
  host        text not null,
  -- Uniqueid the originated channel gets, and the call's external id
  channel_id  text not null,
  call_id     text not null,
  -- claimed: written down, nothing is known yet. refused: it certainly rang no phone. queued: the PBX took it.
  -- unknown: it may or may not have rung. answered: she picked up. failed: she did not.
  state       text not null default 'claimed'
              check (state in ('claimed', 'refused', 'queued', 'unknown', 'answered', 'failed')),
  -- no answer, busy, declined, unreachable, failed; or why it was refused
  reason      text,
  cause       integer,
  customer    jsonb,
  clicked_at  timestamptz not null default now(),
  settled_at  timestamptz,
  primary key (enterprise, id),
  constraint clicks_request unique (enterprise, request_id),
  constraint clicks_channel unique (enterprise, host, channel_id)
);

create index clicks_recent on clicks (enterprise, clicked_at desc);
create index clicks_call on clicks (enterprise, call_id);
create index clicks_open on clicks (enterprise, host) where state in ('claimed', 'queued', 'unknown');

-- Who did what: rows are added and never changed. Each carries the hash of itself and the row before it.
create table audit_log (
  enterprise text not null,
  seq        bigint not null,
  at         timestamptz not null,
  who        text not null,
  what       text not null,
  subject    text not null,
  source     text not null,
  outcome    text not null,
  hash       bytea not null,
  primary key (enterprise, seq)
);

create index audit_log_at on audit_log (enterprise, at desc);

create function audit_log_refuse() returns trigger language plpgsql as $$
begin
  raise exception 'audit_log is insert-only' using errcode = 'insufficient_privilege';
end $$;

create trigger audit_log_insert_only before update or delete on audit_log
  for each row execute function audit_log_refuse();
create trigger audit_log_no_truncate before truncate on audit_log
  for each statement execute function audit_log_refuse();
