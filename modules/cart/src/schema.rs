//! The tables, under their qualified names; migrations/cart tells what each column is for.

diesel::table! {
    carts.carts (id) {
        id -> Uuid,
        user_id -> Nullable<Uuid>,
        status -> Text,
        order_id -> Nullable<Uuid>,
        snapshot -> Nullable<Json>,
        released_order_ids -> Array<Uuid>,
        merged_into -> Nullable<Uuid>,
        version -> BigInt,
        currency -> Text,
        email -> Nullable<Text>,
        shipping_address -> Nullable<Jsonb>,
        billing_address -> Nullable<Jsonb>,
        expires_at -> Timestamptz,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        locale -> Text,
        shipping_method_id -> Nullable<Uuid>,
        tax_number -> Nullable<Text>,
        promotion_codes -> Array<Text>,
        gift_card_ids -> Array<Uuid>,
        uses_store_credit -> Bool,
        prices -> Nullable<Json>,
        touched_at -> Timestamptz,
        left_at -> Nullable<Timestamptz>,
        gave -> Nullable<Json>,
        share_number -> Integer,
    }
}

diesel::table! {
    carts.items (id) {
        id -> Uuid,
        cart_id -> Uuid,
        variant_id -> Uuid,
        product_id -> Uuid,
        sku -> Nullable<Text>,
        title -> Text,
        variant_title -> Text,
        image_url -> Nullable<Text>,
        quantity -> Integer,
        unit_price_minor -> BigInt,
        accepted_price_minor -> BigInt,
        problem -> Nullable<Text>,
        available -> Nullable<BigInt>,
        traits -> Json,
    }
}

diesel::table! {
    carts.saved_items (user_id, variant_id) {
        user_id -> Uuid,
        variant_id -> Uuid,
        product_id -> Uuid,
        title -> Text,
        variant_title -> Text,
        image_url -> Nullable<Text>,
        quantity -> Integer,
        saved_at -> Timestamptz,
    }
}

diesel::table! {
    carts.rules (id) {
        id -> Bool,
        revision -> BigInt,
    }
}

diesel::table! {
    carts.promotions (id) {
        id -> Uuid,
        name -> Text,
        needs_code -> Bool,
        enabled -> Bool,
        priority -> Integer,
        exclusive -> Bool,
        starts_at -> Nullable<Timestamptz>,
        ends_at -> Nullable<Timestamptz>,
        terms -> Jsonb,
        usage_limit -> Nullable<BigInt>,
        usage_limit_per_customer -> Nullable<BigInt>,
        budget_minor -> Nullable<BigInt>,
        budget_currency -> Nullable<Text>,
        uses -> BigInt,
        spent_minor -> BigInt,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    carts.promotion_codes (code) {
        code -> Text,
        promotion_id -> Uuid,
        usage_limit -> Nullable<BigInt>,
        uses -> BigInt,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    carts.gift_cards (id) {
        id -> Uuid,
        code_hash -> Nullable<Binary>,
        last_characters -> Nullable<Text>,
        user_id -> Nullable<Uuid>,
        currency -> Text,
        balance_minor -> BigInt,
        enabled -> Bool,
        expires_at -> Nullable<Timestamptz>,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    carts.gift_card_entries (id) {
        id -> Uuid,
        gift_card_id -> Uuid,
        kind -> Text,
        amount_minor -> BigInt,
        order_id -> Nullable<Uuid>,
        staff_id -> Nullable<Uuid>,
        reason -> Nullable<Text>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    carts.shipping_zones (id) {
        id -> Uuid,
        content -> Jsonb,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    carts.tax_zones (id) {
        id -> Uuid,
        content -> Jsonb,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::joinable!(items -> carts (cart_id));
diesel::allow_tables_to_appear_in_same_query!(carts, items, rules);
