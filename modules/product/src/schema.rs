//! Tables that diesel's own query language is used on. Products, variants and stock are read and written by statements
//! of constant text (see `queries`).

diesel::table! {
    products.categories (id) {
        id -> Uuid,
        parent_id -> Nullable<Uuid>,
        handle -> Text,
        name -> Text,
        ancestors -> Array<Uuid>,
        path -> Array<Text>,
        position -> Integer,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        translated_handles -> Nullable<Json>,
    }
}

diesel::table! {
    products.imports (id) {
        id -> Uuid,
        state -> Text,
        format -> Text,
        dry_run -> Bool,
        bytes_total -> BigInt,
        bytes_done -> BigInt,
        rows_done -> BigInt,
        created -> BigInt,
        updated -> BigInt,
        unchanged -> BigInt,
        skipped -> BigInt,
        errors_total -> BigInt,
        failure_code -> Nullable<Text>,
        failure_detail -> Nullable<Text>,
        created_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    products.import_errors (import_id, number) {
        import_id -> Uuid,
        number -> BigInt,
        line -> BigInt,
        pointer -> Text,
        code -> Text,
        detail -> Text,
    }
}

diesel::table! {
    products.exports (id) {
        id -> Uuid,
        state -> Text,
        format -> Text,
        products_total -> Nullable<BigInt>,
        products_done -> BigInt,
        bytes -> BigInt,
        failure_code -> Nullable<Text>,
        failure_detail -> Nullable<Text>,
        created_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    products.product_types (id) {
        id -> Uuid,
        handle -> Text,
        name -> Text,
        attributes -> Json,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    products.price_lists (id) {
        id -> Uuid,
        name -> Text,
        currency -> Text,
        status -> Text,
        customer_group_id -> Nullable<Uuid>,
        starts_at -> Nullable<Timestamptz>,
        ends_at -> Nullable<Timestamptz>,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
        apply_at -> Nullable<Timestamptz>,
        applied_since -> Nullable<Timestamptz>,
        applied_after -> Nullable<Uuid>,
    }
}

diesel::table! {
    products.locations (id) {
        id -> Uuid,
        handle -> Text,
        name -> Text,
        priority -> Integer,
        active -> Bool,
        fulfils_online -> Bool,
        is_default -> Bool,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    products.search_synonyms (id) {
        id -> Uuid,
        terms -> Array<Text>,
        one_way_from -> Nullable<Text>,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    products.search_rules (id) {
        id -> Uuid,
        query -> Text,
        #[sql_name = "match"]
        match_ -> Text,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}
