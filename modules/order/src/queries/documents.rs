//! Invoices and credit notes. A document is inserted and never changed; how much of an invoice was credited stands beside it.

use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::event::Event;
use kernel::id::{DocumentId, OrderId};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::SCHEMA;
use super::rows::unreadable;
use crate::domain::documents::{Document, DocumentKind, Left, Position};
use crate::schema::{documents, invoiced};

/// Where a document has its number from.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Its name: what its numbers begin with.
    pub(crate) name: String,
    /// The number within it.
    pub(crate) sequence: i64,
}

/// Inserts a document, issued for `key`, and tells of it. Whoever has locked the order inserts.
pub(crate) fn insert(
    connection: &mut PgConnection,
    document: &Document,
    series: &Series,
    key: &str,
    event: &Event,
) -> QueryResult<()> {
    let content =
        serde_json::to_value(document).map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    let totals = &document.totals;
    diesel::insert_into(documents::table)
        .values((
            documents::id.eq(document.id.uuid()),
            documents::order_id.eq(document.order_id.uuid()),
            documents::kind.eq(document.kind.name()),
            documents::series.eq(&series.name),
            documents::sequence.eq(series.sequence),
            documents::number.eq(&document.number),
            documents::invoice_id.eq(document.corrects.as_ref().map(|invoice| invoice.id.uuid())),
            documents::key.eq(key),
            documents::currency.eq(document.currency.code()),
            documents::net.eq(totals.net.amount),
            documents::tax.eq(totals.tax.amount),
            documents::gross.eq(totals.gross.amount),
            documents::content.eq(content),
            documents::issued_at.eq(document.issued_at),
        ))
        .execute(connection)?;
    if document.kind == DocumentKind::Invoice {
        insert_positions(connection, document)?;
    }
    database::outbox::append(connection, SCHEMA, event)
}

fn insert_positions(connection: &mut PgConnection, invoice: &Document) -> QueryResult<()> {
    let row = |position: &Position| {
        (
            invoiced::document_id.eq(invoice.id.uuid()),
            invoiced::position.eq(position.position),
            invoiced::line_id.eq(position.line_id.map(Uuid::from)),
            invoiced::quantity.eq(position.quantity.unwrap_or(1)),
            invoiced::tax.eq(position.tax.amount),
            invoiced::gross.eq(position.gross.amount),
        )
    };
    let rows: Vec<_> = invoice.positions.iter().map(row).collect();
    diesel::insert_into(invoiced::table)
        .values(rows)
        .execute(connection)
        .map(drop)
}

/// Adds to what was credited of an invoice; refused by a check of the table where it would be more than was billed.
pub(crate) fn add_credit(connection: &mut PgConnection, invoice: DocumentId, credited: &[Position]) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.invoiced AS invoiced SET \
            credited_quantity = credited_quantity + credit.quantity, \
            credited_tax = credited_tax + credit.tax, credited_gross = credited_gross + credit.gross \
        FROM unnest(?, ?, ?, ?) AS credit (position, quantity, tax, gross) \
        WHERE invoiced.document_id = ? AND invoiced.position = credit.position";
    let numbers = |part: fn(&Position) -> i64| Bind::BigInts(credited.iter().map(part).collect());
    let binds = [
        numbers(|position| i64::from(position.position)),
        numbers(|position| position.quantity.unwrap_or(0)),
        numbers(|position| position.tax.amount),
        numbers(|position| position.gross.amount),
        Bind::Uuid(invoice.uuid()),
    ];
    let changed = Statement::new(SCHEMA, SQL, binds).execute(connection)?;
    match changed == credited.len() {
        true => Ok(()),
        false => Err(unreadable(
            "invoiced.position",
            "of a position that the invoice does not have",
        )),
    }
}

/// A document.
pub(crate) fn find(connection: &mut PgConnection, id: DocumentId) -> QueryResult<Option<Document>> {
    let content: Option<Value> = documents::table
        .find(id.uuid())
        .select(documents::content)
        .first(connection)
        .optional()?;
    content.map(read).transpose()
}

/// The document that was issued for `key`.
pub(crate) fn issued_for(
    connection: &mut PgConnection,
    order: OrderId,
    kind: DocumentKind,
    key: &str,
) -> QueryResult<Option<Document>> {
    let content: Option<Value> = documents::table
        .filter(documents::order_id.eq(order.uuid()))
        .filter(documents::kind.eq(kind.name()))
        .filter(documents::key.eq(key))
        .select(documents::content)
        .first(connection)
        .optional()?;
    content.map(read).transpose()
}

/// The documents of an order, newest first, before `before`.
pub(crate) fn of_order(
    connection: &mut PgConnection,
    order: OrderId,
    before: Option<DocumentId>,
    limit: i64,
) -> QueryResult<Vec<Document>> {
    let mut query = documents::table
        .filter(documents::order_id.eq(order.uuid()))
        .order(documents::id.desc())
        .limit(limit)
        .select(documents::content)
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(documents::id.lt(before.uuid()));
    }
    let contents: Vec<Value> = query.load(connection)?;
    contents.into_iter().map(read).collect()
}

/// An order's invoice that was not credited whole, with what was credited of each of its positions. There is one at most:
/// another is issued only after that.
pub(crate) fn open_invoice(
    connection: &mut PgConnection,
    order: OrderId,
) -> QueryResult<Option<(Document, Vec<Left>)>> {
    let newest: Option<Value> = documents::table
        .filter(documents::order_id.eq(order.uuid()))
        .filter(documents::kind.eq(DocumentKind::Invoice.name()))
        .order(documents::id.desc())
        .select(documents::content)
        .first(connection)
        .optional()?;
    let Some(invoice) = newest.map(read).transpose()? else {
        return Ok(None);
    };
    let rows: Vec<(i64, i64, i64)> = invoiced::table
        .filter(invoiced::document_id.eq(invoice.id.uuid()))
        .order(invoiced::position)
        .select((
            invoiced::credited_quantity,
            invoiced::credited_tax,
            invoiced::credited_gross,
        ))
        .load(connection)?;
    let left: Vec<Left> = rows
        .into_iter()
        .map(|(credited_quantity, credited_tax, credited_gross)| Left {
            credited_quantity,
            credited_tax,
            credited_gross,
        })
        .collect();
    let credited: i64 = left.iter().map(|left| left.credited_gross).sum();
    let is_over = invoice.totals.gross.amount > 0 && credited == invoice.totals.gross.amount;
    Ok((!is_over).then_some((invoice, left)))
}

/// Series whose numbers have a gap, or whose counter is not at their end: there are none.
pub(crate) fn series_with_gaps(connection: &mut PgConnection) -> QueryResult<Vec<String>> {
    const SQL: &str = "SELECT counters.name FROM @.counters \
        LEFT JOIN (SELECT kind, series, count(*) AS count, max(sequence) AS last FROM @.documents GROUP BY kind, series) AS issued \
            ON counters.name = issued.kind || ':' || issued.series \
        WHERE counters.name <> 'orders' AND (issued.count IS DISTINCT FROM counters.last OR issued.last IS DISTINCT FROM counters.last)";
    let rows: Vec<NameRow> = Statement::new(SCHEMA, SQL, []).load(connection)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// Invoices of which another amount was credited than their credit notes say: there are none.
pub(crate) fn invoices_credited_otherwise(connection: &mut PgConnection) -> QueryResult<Vec<DocumentId>> {
    const SQL: &str = "SELECT invoice.id FROM @.documents AS invoice \
        JOIN (SELECT document_id, sum(gross) AS gross, sum(credited_gross) AS credited FROM @.invoiced GROUP BY document_id) AS billed \
            ON billed.document_id = invoice.id \
        LEFT JOIN (SELECT invoice_id, sum(gross) AS gross FROM @.documents WHERE kind = 'credit_note' GROUP BY invoice_id) AS noted \
            ON noted.invoice_id = invoice.id \
        WHERE billed.gross <> invoice.gross OR billed.credited <> coalesce(noted.gross, 0)";
    let rows: Vec<IdRow> = Statement::new(SCHEMA, SQL, []).load(connection)?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

fn read(content: Value) -> QueryResult<Document> {
    Document::deserialize(&content).map_err(|error| unreadable("documents.content", &error.to_string()))
}

#[derive(QueryableByName)]
struct NameRow {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
}
