DROP TABLE idempotency_keys, parked_events, consumers, outbox;
