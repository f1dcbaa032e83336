DROP TABLE timeline, operations, payments, lines, orders;
DROP FUNCTION refuse_illegal_status();
DROP SEQUENCE order_numbers;
