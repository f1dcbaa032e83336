//! The module's books derived anew. Each rule is one statement that finds what breaks it.

use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use kernel::id::{CategoryId, ProductId, ReservationId, VariantId};
use kernel::module::Finding;
use uuid::Uuid;

use super::select::Select;

/// Everything that is wrong.
pub(crate) fn findings(connection: &mut PgConnection) -> QueryResult<Vec<Finding>> {
    let mut findings = Vec::new();
    for rule in RULES {
        let rows: Vec<(Uuid, String)> = Select::<(SqlUuid, Text)>::new(rule.sql).load(connection)?;
        findings.extend(
            rows.into_iter()
                .map(|(id, detail)| Finding::new(rule.name, (rule.subject)(id), detail)),
        );
    }
    Ok(findings)
}

struct Rule {
    name: &'static str,
    subject: fn(Uuid) -> String,
    /// Answers ids and what is wrong with them.
    sql: &'static str,
}

fn product(id: Uuid) -> String {
    ProductId::from(id).to_string()
}

fn variant(id: Uuid) -> String {
    VariantId::from(id).to_string()
}

fn category(id: Uuid) -> String {
    CategoryId::from(id).to_string()
}

fn reservation(id: Uuid) -> String {
    ReservationId::from(id).to_string()
}

const RULES: [Rule; 10] = [
    Rule {
        name: "shown_images_are_kept",
        subject: product,
        sql: "SELECT product.id, format('shows %s, whose files nothing keeps', image ->> 'url') \
            FROM products.products AS product CROSS JOIN LATERAL json_array_elements(product.images) AS image \
            WHERE product.deleted_at IS NULL AND image ->> 'url' LIKE '/api/v1/media/%' AND NOT EXISTS ( \
            SELECT FROM products.media_references AS reference WHERE reference.product_id = product.id \
            AND '/api/v1/media/' || reference.name = image ->> 'url') LIMIT 1000",
    },
    Rule {
        name: "stock_equals_movements",
        subject: variant,
        sql: "SELECT stock.variant_id, format('%s on hand, movements sum to %s', stock.on_hand, coalesce(moved.sum, 0)) \
            FROM products.stock AS stock LEFT JOIN (SELECT variant_id, sum(delta) FROM products.stock_movements \
            GROUP BY variant_id) AS moved USING (variant_id) WHERE stock.on_hand <> coalesce(moved.sum, 0) LIMIT 1000",
    },
    Rule {
        name: "reserved_equals_reservations",
        subject: variant,
        sql: "SELECT stock.variant_id, format('%s reserved, reservations sum to %s', stock.reserved, coalesce(held.sum, 0)) \
            FROM products.stock AS stock LEFT JOIN (SELECT line.variant_id, sum(line.quantity) \
            FROM products.reservation_lines AS line JOIN products.reservations AS reservation \
            ON reservation.id = line.reservation_id AND reservation.state = 'reserved' GROUP BY line.variant_id) AS held \
            USING (variant_id) WHERE stock.reserved <> coalesce(held.sum, 0) LIMIT 1000",
    },
    Rule {
        name: "variants_have_stock",
        subject: variant,
        sql: "SELECT variant.id, 'there is no stock row' FROM products.variants AS variant \
            WHERE NOT EXISTS (SELECT FROM products.stock WHERE variant_id = variant.id) LIMIT 1000",
    },
    Rule {
        name: "sales_equal_reservations",
        subject: reservation,
        sql: "SELECT line.reservation_id, format('%s of variant %s are %s, the ledger says %s', line.quantity, \
            line.variant_id, reservation.state, coalesce(moved.sum, 0)) FROM products.reservation_lines AS line \
            JOIN products.reservations AS reservation ON reservation.id = line.reservation_id \
            LEFT JOIN (SELECT reservation_id, variant_id, sum(delta) FROM products.stock_movements \
            WHERE reservation_id IS NOT NULL GROUP BY reservation_id, variant_id) AS moved \
            ON moved.reservation_id = line.reservation_id AND moved.variant_id = line.variant_id \
            WHERE coalesce(moved.sum, 0) <> CASE reservation.state WHEN 'committed' THEN -line.quantity ELSE 0 END \
            LIMIT 1000",
    },
    Rule {
        name: "prices_equal_variants",
        subject: product,
        sql: "SELECT product.id, format('%s to %s, the variants cost %s to %s', product.price_min, product.price_max, \
            coalesce(sold.min, 0), coalesce(sold.max, 0)) FROM products.products AS product \
            LEFT JOIN (SELECT product_id, min(price_minor), max(price_minor) FROM products.variants \
            WHERE deleted_at IS NULL GROUP BY product_id) AS sold ON sold.product_id = product.id \
            WHERE product.deleted_at IS NULL \
            AND (product.price_min, product.price_max) <> (coalesce(sold.min, 0), coalesce(sold.max, 0)) LIMIT 1000",
    },
    Rule {
        name: "options_fit_variants",
        subject: variant,
        sql: "SELECT variant.id, format('%s values for %s options', cardinality(variant.option_values), \
            json_array_length(product.options)) FROM products.variants AS variant \
            JOIN products.products AS product ON product.id = variant.product_id WHERE variant.deleted_at IS NULL \
            AND cardinality(variant.option_values) <> json_array_length(product.options) LIMIT 1000",
    },
    Rule {
        name: "deleted_products_have_no_variants",
        subject: variant,
        sql: "SELECT variant.id, 'its product is deleted' FROM products.variants AS variant \
            JOIN products.products AS product ON product.id = variant.product_id \
            WHERE product.deleted_at IS NOT NULL AND variant.deleted_at IS NULL LIMIT 1000",
    },
    Rule {
        name: "category_paths",
        subject: category,
        sql: "SELECT category.id, format('it is at %s, its parent at %s', array_to_string(category.path, ' > '), \
            coalesce(array_to_string(parent.path, ' > '), 'the root')) FROM products.categories AS category \
            LEFT JOIN products.categories AS parent ON parent.id = category.parent_id \
            WHERE category.path <> coalesce(parent.path, '{}') || category.name \
            OR category.ancestors <> coalesce(parent.ancestors, '{}') || category.id LIMIT 1000",
    },
    Rule {
        name: "products_know_their_category",
        subject: product,
        sql: "SELECT product.id, format('it says %s, its category is at %s', \
            array_to_string(product.category_path, ' > '), array_to_string(category.path, ' > ')) \
            FROM products.products AS product LEFT JOIN products.categories AS category \
            ON category.id = product.category_id WHERE product.deleted_at IS NULL \
            AND product.category_path <> coalesce(category.path, '{}') LIMIT 1000",
    },
];
