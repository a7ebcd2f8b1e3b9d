-- One round trip for a click: who clicks waits for a telephone. The statements inside see what a click that held the lock
-- before has written.
create function claim_click(
  new_enterprise text, new_id text, new_request text, new_employee text, new_phone text, new_host text,
  new_channel text, new_call text, new_customer jsonb,
  same_ms integer, per_employee integer, per_enterprise integer
) returns text language plpgsql as $$
declare
  earlier text;
  hers bigint;
  everybodys bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('clicks ' || new_enterprise, 0));
  select id into earlier from clicks
    where enterprise = new_enterprise
      and (request_id = new_request
        or (employee = new_employee and phone = new_phone
          and clicked_at > clock_timestamp() - same_ms * interval '1 millisecond'))
    order by clicked_at desc limit 1;
  if found then
    return 'earlier ' || earlier;
  end if;
  select count(*) filter (where employee = new_employee), count(*) into hers, everybodys from clicks
    where enterprise = new_enterprise and clicked_at > clock_timestamp() - interval '1 minute';
  if hers >= per_employee then
    return 'employee';
  elsif everybodys >= per_enterprise then
    return 'enterprise';
  end if;
  insert into clicks (enterprise, id, request_id, employee, phone, host, channel_id, call_id, customer, clicked_at)
    values (new_enterprise, new_id, new_request, new_employee, new_phone, new_host, new_channel, new_call,
      new_customer, clock_timestamp());
  return 'claimed';
end $$;
