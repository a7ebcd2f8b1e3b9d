-- What the CRM knows and changes: its users and their extensions, its orders, and how far its history was read.

-- Users of the CRM, from the last list that could be believed.
create table crm_users (
  enterprise text not null,
  user_id    bigint not null,
  name       text not null,
  active     boolean not null,
  status     text,
  -- false: no longer in the list; the name is kept for old calls
  listed     boolean not null default true,
  updated_at timestamptz not null default now(),
  primary key (enterprise, user_id)
);

-- Whose an extension was, and when. An open row (no valid_to) is in force.
create table user_extensions (
  id         bigint generated always as identity primary key,
  enterprise text not null,
  extension  text not null,
  user_id    bigint not null,
  source     text not null check (source in ('config', 'crm')),
  valid_from timestamptz not null,
  valid_to   timestamptz,
  check (valid_to is null or valid_to >= valid_from)
);

create unique index user_extensions_open on user_extensions (enterprise, extension) where valid_to is null;
create index user_extensions_at on user_extensions (enterprise, extension, valid_from);

-- The CRM user the call's owner was when it began.
alter table calls add column crm_user bigint;

-- How far a change history of the CRM was applied. No since_id: nothing has changed since start_date.
create table sync_cursors (
  enterprise text not null,
  stream     text not null check (stream in ('customers', 'orders')),
  -- account time, as the CRM writes it
  start_date text not null,
  since_id   bigint,
  updated_at timestamptz not null default now(),
  primary key (enterprise, stream)
);

-- Customers and orders that changed and have not been read since.
create table dirty_entities (
  enterprise text not null,
  kind       text not null check (kind in ('customer', 'order')),
  crm_id     bigint not null,
  -- how often it was marked: a mark that comes while it is read is not lost
  marks      bigint not null default 1,
  -- not to be read before: a read that failed
  next_at    timestamptz not null default now(),
  failures   integer not null default 0,
  marked_at  timestamptz not null default now(),
  primary key (enterprise, kind, crm_id)
);

create index dirty_entities_next on dirty_entities (enterprise, kind, next_at);

-- Orders as the CRM showed them last.
create table orders (
  enterprise  text not null,
  order_id    bigint not null,
  number      text,
  external_id text,
  status      text,
  method      text,
  total       numeric(16, 2),
  customer_id bigint,
  manager_id  bigint,
  site        text,
  phone       text,
  -- whom the order names
  person      text,
  created_at  timestamptz,
  status_at   timestamptz,
  deleted     boolean not null default false,
  fetched_at  timestamptz not null default now(),
  primary key (enterprise, order_id)
);

create index orders_customer on orders (enterprise, customer_id, created_at desc) where customer_id is not null;
create index orders_phone on orders (enterprise, phone, created_at desc) where phone is not null;
create index orders_created on orders (enterprise, created_at desc);

-- Each time an order came to a status. Seen by reading the order first, or in the history (history_id), or both.
create table order_statuses (
  id         bigint generated always as identity primary key,
  enterprise text not null,
  order_id   bigint not null,
  status     text not null,
  at         timestamptz not null,
  history_id bigint,
  -- the change was made with our own key
  own        boolean not null default false,
  created_at timestamptz not null default now()
);

create unique index order_statuses_history on order_statuses (enterprise, history_id) where history_id is not null;
create index order_statuses_order on order_statuses (enterprise, order_id, at);

-- What a rule wants done because an order came to a status. Once per change and action.
create table order_rule_runs (
  id         bigint generated always as identity primary key,
  enterprise text not null,
  change_id  bigint not null,
  order_id   bigint not null,
  status     text not null,
  action     text not null check (action in ('call', 'pause', 'notify')),
  text       text,
  -- when the order came to the status
  at         timestamptz not null,
  -- started: what came of it is not known; it is never started again
  state      text not null default 'pending' check (state in ('pending', 'started', 'done', 'skipped', 'failed')),
  note       text,
  settled_at timestamptz,
  constraint order_rule_runs_key unique (enterprise, change_id, action)
);

create index order_rule_runs_pending on order_rule_runs (enterprise, id) where state = 'pending';
