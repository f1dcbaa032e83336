-- What was written before is not known any more, and means the same.
SELECT;
