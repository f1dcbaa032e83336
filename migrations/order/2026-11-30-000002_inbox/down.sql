DROP TABLE reconciliations;
DROP TABLE discrepancies;
DROP INDEX payments_by_reference;
DROP TABLE payment_events;
