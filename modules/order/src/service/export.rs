//! Orders as a file for spreadsheets, page by page.

use kernel::Fault;
use kernel::id::OrderId;

use super::Service;
use crate::domain::export::{self, COLUMNS};
use crate::domain::view::{Audience, OrderView};
use crate::queries::export::{OrderSelection, orders_after};

/// How many orders are read, and held in memory, at a time.
const PAGE: i64 = 200;

/// A part of the file.
#[derive(Clone, Debug)]
pub(crate) struct ExportPart {
    /// Whole rows of CSV.
    pub(crate) text: Vec<u8>,
    /// Where the next part begins; `None` where this is the last one.
    pub(crate) last: Option<OrderId>,
}

impl Service {
    /// The part of the file after `after`, oldest orders first; the first one begins with the names of the columns.
    pub(crate) async fn export_part(
        &self,
        selection: &OrderSelection,
        after: Option<OrderId>,
    ) -> Result<ExportPart, Fault> {
        let wanted = selection.clone();
        let orders = self
            .query(move |connection| orders_after(connection, &wanted, after, PAGE))
            .await?;
        let is_full = i64::try_from(orders.len()).is_ok_and(|count| count == PAGE);
        let last = orders.last().map(|whole| whole.order.id).filter(|_| is_full);
        let views: Vec<OrderView> = orders
            .into_iter()
            .filter_map(|whole| whole.view(Audience::Staff))
            .collect();
        let text = written(&views, after.is_none()).map_err(|error| Fault::internal(format!("export: {error}")))?;
        Ok(ExportPart { text, last })
    }
}

fn written(orders: &[OrderView], is_first: bool) -> Result<Vec<u8>, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if is_first {
        writer.write_record(COLUMNS).map_err(|error| error.to_string())?;
    }
    for row in orders.iter().flat_map(export::rows) {
        writer.write_record(row).map_err(|error| error.to_string())?;
    }
    writer.into_inner().map_err(|error| error.to_string())
}
