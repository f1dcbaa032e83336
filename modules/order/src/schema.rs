//! The module's tables.

diesel::table! {
    orders.orders (id) {
        id -> Uuid,
        number -> Nullable<Text>,
        status -> Text,
        version -> Int8,
        user_id -> Nullable<Uuid>,
        cart_id -> Nullable<Uuid>,
        currency -> Nullable<Text>,
        email -> Nullable<Text>,
        subtotal -> Nullable<Int8>,
        discount -> Nullable<Int8>,
        shipping -> Nullable<Int8>,
        tax -> Nullable<Int8>,
        total -> Nullable<Int8>,
        gift_cards -> Nullable<Int8>,
        amount_due -> Nullable<Int8>,
        shipping_address -> Nullable<Jsonb>,
        billing_address -> Nullable<Jsonb>,
        fulfilment_status -> Text,
        leased_until -> Timestamptz,
        payment_due_at -> Nullable<Timestamptz>,
        placed_at -> Nullable<Timestamptz>,
        cancelled_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        locale -> Nullable<Text>,
        tax_included -> Nullable<Int8>,
        pricing -> Nullable<Json>,
        granted -> Int8,
    }
}

diesel::table! {
    orders.effects (order_id) {
        order_id -> Uuid,
        version -> Int8,
        failures -> Int4,
        leased_until -> Timestamptz,
    }
}

diesel::table! {
    orders.lines (id) {
        id -> Uuid,
        order_id -> Uuid,
        position -> Int8,
        variant_id -> Uuid,
        product_id -> Uuid,
        sku -> Nullable<Text>,
        title -> Text,
        variant_title -> Text,
        quantity -> Int8,
        unit_price -> Int8,
        discount -> Int8,
        tax -> Int8,
        total -> Int8,
        fulfilled -> Int8,
        announced -> Int8,
        returned -> Int8,
        taxes -> Json,
        reservation_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    orders.payments (id) {
        id -> Uuid,
        order_id -> Uuid,
        provider -> Text,
        status -> Text,
        amount -> Int8,
        currency -> Text,
        captured -> Int8,
        refunded -> Int8,
        reference -> Nullable<Text>,
        next_action -> Nullable<Jsonb>,
        failure -> Nullable<Text>,
        leased_until -> Timestamptz,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    orders.operations (id) {
        id -> Uuid,
        payment_id -> Uuid,
        kind -> Text,
        status -> Text,
        amount -> Int8,
        failure -> Nullable<Text>,
        actor -> Text,
        leased_until -> Timestamptz,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        #[sql_name = "final"]
        is_final -> Bool,
        granted -> Bool,
        reason -> Nullable<Text>,
        return_id -> Nullable<Uuid>,
        actor_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    orders.fulfilments (id) {
        id -> Uuid,
        order_id -> Uuid,
        status -> Text,
        carrier -> Nullable<Text>,
        tracking_number -> Nullable<Text>,
        tracking_url -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        delivered_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    orders.fulfilment_lines (fulfilment_id, line_id) {
        fulfilment_id -> Uuid,
        line_id -> Uuid,
        quantity -> Int8,
    }
}

diesel::table! {
    orders.returns (id) {
        id -> Uuid,
        order_id -> Uuid,
        status -> Text,
        note -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        received_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    orders.return_lines (return_id, line_id) {
        return_id -> Uuid,
        line_id -> Uuid,
        quantity -> Int8,
        reason -> Text,
        received -> Int8,
        restocked -> Int8,
        value -> Int8,
    }
}

diesel::table! {
    orders.edits (id) {
        id -> Uuid,
        order_id -> Uuid,
        reason -> Nullable<Text>,
        actor_id -> Nullable<Uuid>,
        changes -> Json,
        before -> Json,
        after -> Json,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    orders.extra_reservations (id) {
        id -> Uuid,
        order_id -> Uuid,
        state -> Text,
        told -> Bool,
        leased_until -> Timestamptz,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    orders.restocks (id) {
        id -> Uuid,
        order_id -> Uuid,
        reservation_id -> Uuid,
        variant_ids -> Array<Uuid>,
        quantities -> Array<Int8>,
        told -> Bool,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    orders.draft_orders (id) {
        id -> Uuid,
        version -> Int8,
        content -> Json,
        order_id -> Nullable<Uuid>,
        created_by -> Uuid,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    orders.timeline (order_id, sequence) {
        order_id -> Uuid,
        sequence -> Int8,
        at -> Timestamptz,
        kind -> Text,
        actor -> Text,
        actor_id -> Nullable<Uuid>,
        detail -> Nullable<Json>,
        internal -> Bool,
    }
}

diesel::table! {
    orders.payment_events (id) {
        id -> Uuid,
        provider -> Text,
        event_id -> Text,
        #[sql_name = "type"]
        kind -> Text,
        body -> Bytea,
        verified -> Bool,
        state -> Text,
        attempts -> Int4,
        failure -> Nullable<Text>,
        reference -> Nullable<Text>,
        payment_id -> Nullable<Uuid>,
        received_at -> Timestamptz,
        processed_at -> Nullable<Timestamptz>,
        leased_until -> Timestamptz,
    }
}

diesel::table! {
    orders.discrepancies (id) {
        id -> Uuid,
        provider -> Text,
        reference -> Text,
        kind -> Text,
        payment_id -> Nullable<Uuid>,
        detail -> Text,
        first_seen -> Timestamptz,
        last_seen -> Timestamptz,
        resolved_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    orders.documents (id) {
        id -> Uuid,
        order_id -> Uuid,
        kind -> Text,
        series -> Text,
        sequence -> Int8,
        number -> Text,
        invoice_id -> Nullable<Uuid>,
        key -> Text,
        currency -> Text,
        net -> Int8,
        tax -> Int8,
        gross -> Int8,
        content -> Json,
        issued_at -> Timestamptz,
    }
}

diesel::table! {
    orders.invoiced (document_id, position) {
        document_id -> Uuid,
        position -> Int4,
        line_id -> Nullable<Uuid>,
        quantity -> Int8,
        tax -> Int8,
        gross -> Int8,
        credited_quantity -> Int8,
        credited_tax -> Int8,
        credited_gross -> Int8,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    orders,
    effects,
    lines,
    payments,
    operations,
    timeline,
    fulfilments,
    fulfilment_lines,
    returns,
    return_lines,
    documents,
    invoiced
);
