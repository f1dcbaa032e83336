DROP TABLE import_names, import_errors, import_chunks, imports;
