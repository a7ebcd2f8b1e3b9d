-- Who calls: what a telephone shows of a customer's card. `other_ids`: further cards with the same number.
alter table retailcrm_customers
  add column other_ids    bigint[] not null default '{}',
  add column name         text,
  add column manager_id   bigint,
  add column manager_name text,
  add column manager_code text,
  add column links        jsonb,
  -- false: it is not yet known whether other cards share the number
  add column complete     boolean not null default true;

create index retailcrm_customers_card on retailcrm_customers (enterprise_number, retailcrm_customer_id)
  where retailcrm_customer_id is not null;
-- The numbers asked last go into memory at the start.
create index retailcrm_customers_recent on retailcrm_customers (enterprise_number, fetched_at desc);
