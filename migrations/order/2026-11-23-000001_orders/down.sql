DROP TABLE timeline, operations, payments, lines, effects, orders;
DROP FUNCTION refuse_illegal_status();
DROP SEQUENCE order_numbers;
