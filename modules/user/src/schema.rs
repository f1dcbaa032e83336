//! The module's tables.

diesel::table! {
    users.users (id) {
        id -> Uuid,
        email -> Nullable<Text>,
        email_canonical -> Nullable<Text>,
        name -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        roles -> Array<Text>,
        version -> BigInt,
        customer_group_id -> Nullable<Uuid>,
        disabled_at -> Nullable<Timestamptz>,
        deleted_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    users.addresses (id) {
        id -> Uuid,
        user_id -> Uuid,
        address -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    users.sessions (id) {
        id -> Uuid,
        user_id -> Uuid,
        nonce -> Binary,
        generation -> Integer,
        user_agent -> Nullable<Text>,
        created_at -> Timestamptz,
        last_used_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    users.customer_groups (id) {
        id -> Uuid,
        name -> Text,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(addresses -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, addresses, sessions);
