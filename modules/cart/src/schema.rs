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
    }
}

diesel::joinable!(items -> carts (cart_id));
diesel::allow_tables_to_appear_in_same_query!(carts, items);
