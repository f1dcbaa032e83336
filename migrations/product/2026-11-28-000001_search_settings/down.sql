DROP TABLE search_rule_products;
DROP TABLE search_rules;
DROP TABLE search_synonyms;
DROP TABLE search_settings;
