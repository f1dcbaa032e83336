//! The module's books derived anew. Each rule is one statement that finds what breaks it.

use chrono::{DateTime, Utc};
use database::Bind;
use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use kernel::id::{CategoryId, CollectionId, ProductId, ReservationId, TransferId, VariantId};
use kernel::module::Finding;
use uuid::Uuid;

use super::select::Select;

/// Whether everybody may be offered the prices of `list`: it holds, or did a minute ago, or has been edited since. What comes
/// later than that has been forgotten.
macro_rules! is_offered {
    () => {
        "(list.updated_at > ? - interval '1 minute' OR list.deleted_at > ? - interval '1 minute' \
            OR (list.status = 'active' AND list.deleted_at IS NULL AND list.customer_group_id IS NULL \
            AND coalesce(list.starts_at <= ? + interval '1 minute', TRUE) \
            AND coalesce(list.ends_at > ? - interval '1 minute', TRUE)))"
    };
}

/// Everything that is wrong at `now`.
pub(crate) fn findings(connection: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<Vec<Finding>> {
    let mut findings = Vec::new();
    for rule in RULES {
        let rows: Vec<(Uuid, String)> = rule.select(now).load(connection)?;
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
    /// Answers ids and what is wrong with them. Each `?` stands for the present moment.
    sql: &'static str,
}

impl Rule {
    fn select(&self, now: DateTime<Utc>) -> Select<(SqlUuid, Text)> {
        let mut pieces = self.sql.split('?');
        let mut select = Select::new(pieces.next().unwrap_or_default());
        for piece in pieces {
            select.bind(Bind::Time(now)).text(piece);
        }
        select
    }
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

fn transfer(id: Uuid) -> String {
    TransferId::from(id).to_string()
}

fn collection(id: Uuid) -> String {
    CollectionId::from(id).to_string()
}

const RULES: [Rule; 20] = [
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
        sql: "SELECT stock.variant_id, format('%s on hand at location %s, movements sum to %s', stock.on_hand, \
            stock.location_id, coalesce(moved.sum, 0)) FROM products.stock AS stock \
            LEFT JOIN (SELECT variant_id, location_id, sum(delta) FROM products.stock_movements \
            GROUP BY variant_id, location_id) AS moved USING (variant_id, location_id) \
            WHERE stock.on_hand <> coalesce(moved.sum, 0) LIMIT 1000",
    },
    Rule {
        name: "reserved_equals_reservations",
        subject: variant,
        sql: "SELECT stock.variant_id, format('%s reserved at location %s, reservations sum to %s', stock.reserved, \
            stock.location_id, coalesce(held.sum, 0)) FROM products.stock AS stock \
            LEFT JOIN (SELECT line.variant_id, line.location_id, sum(line.quantity) \
            FROM products.reservation_lines AS line JOIN products.reservations AS reservation \
            ON reservation.id = line.reservation_id AND reservation.state = 'reserved' \
            GROUP BY line.variant_id, line.location_id) AS held \
            USING (variant_id, location_id) WHERE stock.reserved <> coalesce(held.sum, 0) LIMIT 1000",
    },
    Rule {
        name: "variants_have_stock",
        subject: variant,
        sql: "SELECT variant.id, 'there is no stock row at the default location' FROM products.variants AS variant \
            WHERE NOT EXISTS (SELECT FROM products.stock AS stock JOIN products.locations AS location \
            ON location.id = stock.location_id AND location.is_default WHERE stock.variant_id = variant.id) LIMIT 1000",
    },
    Rule {
        name: "oversell_follows_limits",
        subject: variant,
        sql: "SELECT stock.variant_id, format('location %s may go %s below zero, the limits are %s and %s', \
            stock.location_id, stock.oversell, variant.backorder_limit, variant.preorder_limit) \
            FROM products.stock AS stock JOIN products.variants AS variant ON variant.id = stock.variant_id \
            JOIN products.locations AS location ON location.id = stock.location_id \
            WHERE CASE WHEN location.is_default \
            THEN stock.oversell < greatest(variant.backorder_limit, variant.preorder_limit) \
            ELSE stock.oversell <> 0 END LIMIT 1000",
    },
    Rule {
        name: "bundles_have_components",
        subject: variant,
        sql: "SELECT variant.id, format('%s components of a bundle that is %s', count(part.component_id), \
            CASE WHEN variant.deleted_at IS NULL THEN 'there' ELSE 'deleted' END) \
            FROM products.variants AS variant \
            LEFT JOIN products.bundle_components AS part ON part.bundle_id = variant.id WHERE variant.is_bundle \
            GROUP BY variant.id HAVING (count(part.component_id) > 0) <> (variant.deleted_at IS NULL) LIMIT 1000",
    },
    Rule {
        name: "bundles_have_no_stock",
        subject: variant,
        sql: "SELECT stock.variant_id, format('%s on hand and %s reserved at location %s', stock.on_hand, \
            stock.reserved, stock.location_id) FROM products.stock AS stock \
            JOIN products.variants AS variant ON variant.id = stock.variant_id AND variant.is_bundle \
            WHERE stock.on_hand <> 0 OR stock.reserved <> 0 OR stock.oversell <> 0 LIMIT 1000",
    },
    Rule {
        name: "transfers_lose_nothing",
        subject: transfer,
        sql: "SELECT moved.transfer_id, format('%s of variant %s leave, %s arrive', moved.left, moved.variant_id, \
            moved.arrived) FROM (SELECT movement.transfer_id, movement.variant_id, \
            coalesce(-sum(movement.delta) FILTER (WHERE movement.location_id = transfer.from_location_id), 0) AS left, \
            coalesce(sum(movement.delta) FILTER (WHERE movement.location_id = transfer.to_location_id), 0) AS arrived, \
            count(*) AS sides FROM products.stock_movements AS movement JOIN products.stock_transfers AS transfer \
            ON transfer.id = movement.transfer_id GROUP BY movement.transfer_id, movement.variant_id) AS moved \
            WHERE moved.left <> moved.arrived OR moved.sides <> 2 LIMIT 1000",
    },
    Rule {
        name: "sales_equal_reservations",
        subject: reservation,
        sql: "SELECT line.reservation_id, format('%s of variant %s at location %s are %s, the ledger says %s', \
            line.quantity, line.variant_id, line.location_id, reservation.state, coalesce(moved.sum, 0)) \
            FROM products.reservation_lines AS line \
            JOIN products.reservations AS reservation ON reservation.id = line.reservation_id \
            LEFT JOIN (SELECT reservation_id, variant_id, location_id, sum(delta) FROM products.stock_movements \
            WHERE reservation_id IS NOT NULL GROUP BY reservation_id, variant_id, location_id) AS moved \
            ON moved.reservation_id = line.reservation_id AND moved.variant_id = line.variant_id \
            AND moved.location_id = line.location_id \
            WHERE coalesce(moved.sum, 0) <> CASE reservation.state WHEN 'committed' THEN line.returned - line.quantity ELSE 0 END \
            LIMIT 1000",
    },
    Rule {
        name: "prices_have_a_source",
        subject: variant,
        sql: concat!(
            "SELECT variant.id, format('costs %s, which is neither written nor on a list that holds', \
            variant.price_minor) \
            FROM products.variants AS variant JOIN products.products AS product ON product.id = variant.product_id \
            WHERE variant.deleted_at IS NULL AND variant.price_minor <> variant.base_minor \
            AND NOT EXISTS (SELECT FROM products.list_prices AS listed \
            JOIN products.price_lists AS list ON list.id = listed.price_list_id AND list.currency = product.currency \
            WHERE listed.variant_id = variant.id AND listed.min_quantity = 1 \
            AND listed.price_minor = variant.price_minor AND listed.price_minor < variant.base_minor AND ",
            is_offered!(),
            ") LIMIT 1000"
        ),
    },
    Rule {
        name: "offers_have_a_source",
        subject: variant,
        sql: concat!(
            "SELECT coalesce(offer.variant_id, written.variant_id), format('in %s offered for %s, written is %s', \
            coalesce(offer.currency, written.currency), offer.price_minor, written.price_minor) \
            FROM (SELECT offer.* FROM products.offers AS offer JOIN products.variants AS variant \
            ON variant.id = offer.variant_id AND variant.deleted_at IS NULL) AS offer \
            FULL JOIN (SELECT variant.id AS variant_id, price ->> 'currency' AS currency, \
            (price ->> 'amount')::bigint AS price_minor FROM products.variants AS variant, \
            json_array_elements(variant.further_prices) AS price \
            WHERE variant.deleted_at IS NULL AND price ->> 'min_quantity' = '1') AS written \
            ON written.variant_id = offer.variant_id AND written.currency = offer.currency \
            WHERE offer.variant_id IS NULL OR written.variant_id IS NULL \
            OR (offer.price_minor <> written.price_minor AND NOT EXISTS (SELECT FROM products.list_prices AS listed \
            JOIN products.price_lists AS list ON list.id = listed.price_list_id AND list.currency = offer.currency \
            WHERE listed.variant_id = offer.variant_id AND listed.min_quantity = 1 \
            AND listed.price_minor = offer.price_minor AND listed.price_minor < written.price_minor AND ",
            is_offered!(),
            ")) LIMIT 1000"
        ),
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
    // Rules about dates are left out: until the job has seen a new day, they are those of the day before.
    Rule {
        name: "collections_follow_their_rules",
        subject: product,
        sql: "SELECT product.id, format('the rule of collection %s says %s, the collection says otherwise', \
            collection.handle, rule.holds) FROM products.collections AS collection \
            CROSS JOIN products.products AS product \
            LEFT JOIN products.categories AS category ON category.id = product.category_id \
            LEFT JOIN products.collection_products AS member \
            ON member.collection_id = collection.id AND member.product_id = product.id, \
            LATERAL (SELECT product.deleted_at IS NULL AND products.rule_holds(collection.rule::jsonb, product.brand, \
            product.tags, product.product_type_id, category.ancestors, product.attributes::jsonb, product.price_min, \
            product.price_max, product.released_on, DATE '2000-01-01') AS holds) AS rule \
            WHERE collection.rule IS NOT NULL AND collection.refreshed_on IS NULL \
            AND rule.holds <> (member.product_id IS NOT NULL) LIMIT 1000",
    },
    Rule {
        name: "products_know_translated_handles",
        subject: product,
        sql: "SELECT product.id, format('%s noted, %s said', product.translated_handles, said.handles) \
            FROM products.products AS product LEFT JOIN (SELECT product_id, \
            jsonb_object_agg(locale, handle) FILTER (WHERE handle IS NOT NULL) AS handles \
            FROM products.product_translations GROUP BY product_id) AS said ON said.product_id = product.id \
            WHERE product.translated_handles::jsonb IS DISTINCT FROM said.handles LIMIT 1000",
    },
    Rule {
        name: "categories_know_translated_handles",
        subject: category,
        sql: "SELECT category.id, format('%s noted, %s said', category.translated_handles, said.handles) \
            FROM products.categories AS category LEFT JOIN (SELECT category_id, \
            jsonb_object_agg(locale, handle) FILTER (WHERE handle IS NOT NULL) AS handles \
            FROM products.category_translations GROUP BY category_id) AS said ON said.category_id = category.id \
            WHERE category.translated_handles::jsonb IS DISTINCT FROM said.handles LIMIT 1000",
    },
    Rule {
        name: "collections_know_translated_handles",
        subject: collection,
        sql: "SELECT collection.id, format('%s noted, %s said', collection.translated_handles, said.handles) \
            FROM products.collections AS collection LEFT JOIN (SELECT collection_id, \
            jsonb_object_agg(locale, handle) FILTER (WHERE handle IS NOT NULL) AS handles \
            FROM products.collection_translations GROUP BY collection_id) AS said \
            ON said.collection_id = collection.id \
            WHERE collection.translated_handles::jsonb IS DISTINCT FROM said.handles LIMIT 1000",
    },
];
