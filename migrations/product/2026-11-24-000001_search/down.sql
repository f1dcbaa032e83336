DROP TABLE search_parked, search_catalogue;
