-- What the CRM proves itself with when it calls us: a clientId it sends along and a token in the path of our addresses.
-- In clear, because every registration of the module sends them; the daemon compares digests only and logs neither.
create table credentials (
  id            bigint generated always as identity primary key,
  enterprise    text not null,
  client_id     text not null,
  path_token    text not null,
  created_at    timestamptz not null default now(),
  registered_at timestamptz,
  constraint credentials_client_id unique (client_id),
  constraint credentials_path_token unique (path_token)
);

create index credentials_enterprise on credentials (enterprise, id desc);
