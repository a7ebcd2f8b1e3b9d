-- When each host was last known to be in sync: the beginning of the gap if the daemon is killed.
create table heartbeats (
  enterprise text not null,
  host text not null,
  synced_at timestamptz not null,
  primary key (enterprise, host)
);
