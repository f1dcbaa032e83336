//! What the database's own refusals mean for a row.

use diesel::result::{DatabaseErrorKind, Error};
use kernel::Fault;

use crate::import::WrongRow;

/// Whether the database says no to a row, as opposed to failing.
pub(super) fn is_refusal(error: &Error) -> bool {
    let Error::DatabaseError(kind, _) = error else {
        return false;
    };
    !is_passing(error) && !matches!(kind, DatabaseErrorKind::ReadOnlyTransaction)
}

/// What a row is told that the database has said no to.
pub(super) fn refusal(line: u64, error: &Error) -> WrongRow {
    let Error::DatabaseError(_, information) = error else {
        return WrongRow::new(line, "", "refused", error.to_string());
    };
    let taken = |pointer, what: &str| {
        let detail = format!("another product has this {what}");
        WrongRow::new(line, pointer, "already_taken", detail)
    };
    match information.constraint_name() {
        Some("products_handle_key" | "products_translated_handle") => taken("/handle", "handle"),
        Some("product_translations_handle_key" | "product_translations_base_handle") => {
            taken("/translations", "handle")
        }
        Some("products_external_id_key") => taken("/id", "id"),
        Some("variants_sku_key") => taken("/variants", "SKU"),
        Some("bundle_components_component_fkey") => WrongRow::new(
            line,
            "/variants",
            "in_use",
            "a bundle consists of a variant that the file leaves out",
        ),
        Some("stock_bundle") => WrongRow::new(line, "/variants", "is_bundle", "a bundle has no stock of its own"),
        Some("variants_bundle_terms") => {
            WrongRow::new(line, "/variants", "has_stock", "the variant is sold beyond its stock")
        }
        // It was there when the row was looked at.
        Some("products_product_type_id_fkey") => WrongRow::new(
            line,
            "/product_type",
            "not_found",
            "there is no such product type any more",
        ),
        _ => {
            let detail = format!("the database refuses it: {}", information.message());
            WrongRow::new(line, "", "refused", detail)
        }
    }
}

/// Whether another try may succeed.
pub(super) fn is_passing(error: &Error) -> bool {
    matches!(database::failure::fault_of(error), Fault::Unavailable { .. })
}
