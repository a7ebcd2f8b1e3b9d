-- What Asterisk had counted when a host was last in sync: the difference after a gap says how many calls passed in it.
alter table heartbeats add column core_start text;
alter table heartbeats add column core_calls bigint;
alter table heartbeats add column counted_at timestamptz;

-- The drop ledger in figures: what metrics read each few seconds without counting the ledger's rows.
create table drop_totals (
  enterprise text not null,
  host text not null,
  reason text not null,
  total bigint not null,
  primary key (enterprise, host, reason)
);
insert into drop_totals select enterprise, host, reason, count(*) from drops group by 1, 2, 3;
