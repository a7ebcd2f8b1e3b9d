-- Webhooks of one call reach a receiver in order: its oldest open one goes first.
create index outbox_open_webhooks on outbox (account, call_id, id) where state = 'pending' and kind = 'webhook';
