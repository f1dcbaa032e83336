ALTER TABLE items DROP COLUMN traits;
ALTER TABLE carts
    DROP COLUMN shipping_method_id,
    DROP COLUMN tax_number,
    DROP COLUMN promotion_codes,
    DROP COLUMN gift_card_ids,
    DROP COLUMN uses_store_credit,
    DROP COLUMN prices;
DROP TABLE tax_zones, shipping_zones, gift_card_entries, gift_cards, promotion_customers, promotion_uses, promotion_codes,
    promotions, rules;
