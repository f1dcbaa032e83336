//! Exports of the catalogue. Products are read a page at a time, so that no transaction is open while somebody writes.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::time::Duration;

use diesel::{PgConnection, QueryResult};
use kernel::{Fault, Locale, Locales};
use uuid::Uuid;

use super::Service;
use crate::domain::translation::ProductTranslation;
use crate::import::{self, Beside, ExportFormat, ImportError};
use crate::queries::{product_types, products, translations};

/// How many products are read at a time.
const PAGE: i64 = 100;
/// How often a page is asked for while the database is too busy.
pub(super) const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// A piece of an export.
pub(crate) struct ExportPage {
    /// What stands in the file.
    pub(crate) text: Vec<u8>,
    /// How many products that are.
    pub(crate) count: u64,
    /// The last of them; `None` where there are no more.
    pub(crate) last: Option<Uuid>,
}

impl Service {
    /// The products after `after`, in the order of their ids; without it, the beginning of the file.
    pub(crate) async fn export_page(&self, format: ExportFormat, after: Option<Uuid>) -> Result<ExportPage, Fault> {
        let locales = self.locales.clone();
        // Whoever has begun a file waits.
        let tries = if after.is_some() { TRIES } else { 1 };
        self.read_patiently(tries, move |connection| page(connection, format, after, &locales))
            .await
    }

    /// Reads the next piece of a file, which would be worth nothing if it broke off because the database is busy.
    pub(super) async fn read_patiently<T, R>(&self, mut tries: usize, read: R) -> Result<T, Fault>
    where
        T: Send + 'static,
        R: Fn(&mut PgConnection) -> QueryResult<T> + Clone + Send + 'static,
    {
        loop {
            let read = read.clone();
            match self.db.run(move |connection| Ok(read(connection)?)).await {
                Err(Fault::Unavailable { .. }) if tries > 1 => {
                    tries -= 1;
                    tokio::time::sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Writes all products to `out` on the calling thread; answers how many.
    pub(crate) fn export(&self, format: ExportFormat, out: &mut dyn Write) -> Result<u64, ImportError> {
        let mut connection = self.patient_connection()?;
        let (mut count, mut after) = (0, None);
        loop {
            let page = page(&mut connection, format, after, &self.locales)
                .map_err(|error| ImportError::Fault(database::failure::fault_of(&error)))?;
            out.write_all(&page.text)?;
            count += page.count;
            match page.last {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        out.flush()?;
        Ok(count)
    }
}

/// The same, over a connection of one's own.
pub(super) fn page(
    connection: &mut PgConnection,
    format: ExportFormat,
    after: Option<Uuid>,
    locales: &Locales,
) -> QueryResult<ExportPage> {
    let mut text = Vec::new();
    if after.is_none() {
        import::write_head(&mut text, format).map_err(file_failure)?;
    }
    // As of one moment: a product's variants and texts go with what it has itself.
    let mut moment = connection.build_transaction().read_only().repeatable_read();
    let (products, types, said) = moment.run(|connection| {
        let products = products::next(connection, after.unwrap_or_default(), PAGE)?;
        let ids = products.iter().map(|(product, _)| product.id).collect();
        let types = product_types::handles(connection)?;
        QueryResult::Ok((products, types, spoken(connection, ids, locales)?))
    })?;
    for (product, path) in &products {
        let product_type = product.listing.merchandising.product_type;
        let beside = Beside {
            category: path,
            product_type: product_type.and_then(|id| types.get(&id)).map(String::as_str),
            translations: said.get(&product.id),
        };
        import::write(&mut text, format, &product.listing, beside).map_err(file_failure)?;
    }
    let is_full = i64::try_from(products.len()).is_ok_and(|count| count == PAGE);
    Ok(ExportPage {
        text,
        count: products.len() as u64,
        last: products.last().filter(|_| is_full).map(|(product, _)| product.id),
    })
}

/// What goes wrong with a file where something of the database is written or read, too.
pub(super) fn file_failure(error: io::Error) -> diesel::result::Error {
    diesel::result::Error::SerializationError(Box::new(error))
}

/// What is said of products in the languages that the shop speaks: an import takes no others.
fn spoken(
    connection: &mut PgConnection,
    ids: Vec<Uuid>,
    locales: &Locales,
) -> QueryResult<HashMap<Uuid, BTreeMap<Locale, ProductTranslation>>> {
    if locales.others().is_empty() {
        return Ok(HashMap::new());
    }
    let mut said = translations::all::<ProductTranslation>(connection, ids)?;
    said.retain(|_, texts| {
        texts.retain(|locale, _| locales.others().contains(locale));
        !texts.is_empty()
    });
    Ok(said)
}
