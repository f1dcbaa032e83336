ALTER TABLE users DROP CONSTRAINT users_deleted_belong_to_no_group, DROP COLUMN customer_group_id;
DROP TABLE customer_groups;
