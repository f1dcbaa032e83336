//! Issuing invoices and credit notes. A document gets its number in the transaction in which it is stored: the counter of
//! its series stays locked until then, so that no number is lost or given twice, whatever fails.

mod bookkeeping;

use chrono::{DateTime, Datelike, Utc};
use database::{Failure, OnViolation, OrRefuse, refuse};
use diesel::prelude::*;
use kernel::event::Event;
use kernel::http::{Answer, Call};
use kernel::id::{DocumentId, OrderId};
use kernel::identity::Holder;
use kernel::settings::{Invoices, Settings};
use kernel::{Fault, Money, Page, Problem};
use order_api::DocumentIssued;

use super::Service;
use crate::domain::documents::{
    Bill, Credit, CreditRefusal, Document, DocumentKind, Issue, Seller, bill, credit, note,
};
use crate::domain::{Actor, Status};
use crate::error::OrderError;
use crate::paper::{self, Fonts};
use crate::queries::documents::{self, Series};
use crate::queries::{self, SCHEMA, numbers, reading};

pub(crate) use bookkeeping::Bookkeeper;

/// What documents are issued with.
#[derive(Clone)]
pub(super) struct Office {
    settings: Invoices,
    seller: Seller,
    fonts: Fonts,
}

impl Office {
    /// As the settings have it.
    ///
    /// # Errors
    ///
    /// Where a font cannot be used.
    pub(super) fn new(settings: &Settings) -> Result<Self, Fault> {
        let invoices = settings.order.invoices.clone();
        let name = match invoices.seller.as_str() {
            "" => settings.shop.name.clone(),
            seller => seller.to_owned(),
        };
        Ok(Self {
            seller: Seller {
                name,
                address: invoices.seller_address.clone(),
                tax_number: invoices.seller_tax_number.clone(),
            },
            fonts: Fonts::new(&invoices.fonts)?,
            settings: invoices,
        })
    }

    /// The next number of the series that documents of `kind` are in now, and the series.
    fn number(
        &self,
        connection: &mut PgConnection,
        kind: DocumentKind,
        now: DateTime<Utc>,
    ) -> QueryResult<(String, Series)> {
        let prefix = match kind {
            DocumentKind::Invoice => &self.settings.invoice_prefix,
            DocumentKind::CreditNote => &self.settings.credit_note_prefix,
        };
        let name = prefix.replace("{year}", &format!("{:04}", now.year()));
        let sequence = numbers::next_in_series(connection, &format!("{}:{name}", kind.name()))?;
        Ok((format!("{name}{sequence}"), Series { name, sequence }))
    }
}

/// What is to be credited, and why.
#[derive(Clone, Debug)]
pub(crate) struct CreditContent {
    pub(crate) credit: Credit,
    /// In the shop's words.
    pub(crate) reason: Option<String>,
    pub(crate) actor: Actor,
}

/// A page of an order's documents.
#[derive(Clone, Debug)]
pub(crate) struct ListDocuments {
    pub(crate) limit: i64,
    pub(crate) cursor: Option<String>,
}

impl Service {
    /// Staff bill an order; refused where it is billed already and not all of that was credited.
    pub(crate) async fn create_invoice(
        &self,
        order: OrderId,
        actor: Actor,
        call: Call,
    ) -> Result<Answer<Document>, OrderError> {
        let (office, now) = (self.shared.office.clone(), self.shared.clock.now());
        let work = move |connection: &mut PgConnection| {
            let key = format!("staff:{}", DocumentId::generate());
            issue_invoice(connection, &office, order, &key, actor, now)
        };
        let issued = self.shared.db.once(SCHEMA, Some(call), 201, now, work).await?;
        self.shared.mails.wake();
        Ok(issued)
    }

    /// Staff credit an order's invoice.
    pub(crate) async fn create_credit_note(
        &self,
        order: OrderId,
        content: CreditContent,
        call: Call,
    ) -> Result<Answer<Document>, OrderError> {
        let (office, now) = (self.shared.office.clone(), self.shared.clock.now());
        let work = move |connection: &mut PgConnection| {
            let key = format!("staff:{}", DocumentId::generate());
            issue_credit_note(connection, &office, order, &content, &key, now)
        };
        let issued = self.shared.db.once(SCHEMA, Some(call), 201, now, work).await?;
        self.shared.mails.wake();
        Ok(issued)
    }

    /// Bills an order for `key`, once: `None` where it is billed already, or is not there to be billed.
    pub(crate) async fn invoice_for(&self, order: OrderId, key: String) -> Result<Option<Document>, Fault> {
        let (office, now) = (self.shared.office.clone(), self.shared.clock.now());
        let issued = self
            .shared
            .db
            .transaction(move |connection| issue_invoice(connection, &office, order, &key, Actor::System, now))
            .await;
        self.unless_needless(order, issued)
    }

    /// Credits what was given back of an order that is billed, for `key` (a refund's id, for example), once: `None` where
    /// there is no invoice, or nothing of it is left.
    pub(crate) async fn credit_note_for(
        &self,
        order: OrderId,
        content: CreditContent,
        key: String,
    ) -> Result<Option<Document>, Fault> {
        let (office, now) = (self.shared.office.clone(), self.shared.clock.now());
        let issued = self
            .shared
            .db
            .transaction(move |connection| issue_credit_note(connection, &office, order, &content, &key, now))
            .await;
        self.unless_needless(order, issued)
    }

    fn unless_needless(&self, order: OrderId, issued: Result<Document, OrderError>) -> Result<Option<Document>, Fault> {
        match issued {
            Ok(document) => {
                self.shared.mails.wake();
                Ok(Some(document))
            }
            Err(OrderError::Fault(fault)) => Err(fault),
            Err(needless) => {
                tracing::debug!(%order, %needless, "no document was issued");
                Ok(None)
            }
        }
    }

    /// A page of an order's documents, newest first, for staff.
    pub(crate) async fn documents_of(&self, order: OrderId, list: ListDocuments) -> Result<Page<Document>, Problem> {
        let known = self.query(move |connection| reading::order(connection, order)).await?;
        if known.is_none_or(|order| order.content.is_none()) {
            return Err(OrderError::NotFound("order").into());
        }
        self.page_of_documents(order, list).await
    }

    /// The same for the order's buyer.
    pub(crate) async fn own_documents(
        &self,
        order: OrderId,
        holder: Holder,
        list: ListDocuments,
    ) -> Result<Page<Document>, Problem> {
        self.authorise(order, &holder).await?;
        self.page_of_documents(order, list).await
    }

    async fn page_of_documents(&self, order: OrderId, list: ListDocuments) -> Result<Page<Document>, Problem> {
        let ListDocuments { limit, cursor } = list;
        let name = format!("documents of {order}");
        let cursors = &self.shared.cursors;
        let before = cursor
            .map(|cursor| cursors.open::<DocumentId>(&name, &cursor))
            .transpose();
        let before = before.map_err(Problem::invalid_query)?;
        let found = self
            .query(move |connection| documents::of_order(connection, order, before, limit + 1))
            .await?;
        Ok(Page::from_surplus(found, limit, |document: &Document| {
            cursors.seal(&name, &document.id)
        }))
    }

    /// A document, for staff and for the module itself.
    pub(crate) async fn document(&self, id: DocumentId) -> Result<Document, OrderError> {
        let found = self.query(move |connection| documents::find(connection, id)).await?;
        found.ok_or(OrderError::NotFound("document"))
    }

    /// A document of an order, for the order's buyer.
    pub(crate) async fn own_document(
        &self,
        order: OrderId,
        holder: Holder,
        id: DocumentId,
    ) -> Result<Document, OrderError> {
        self.authorise(order, &holder).await?;
        let document = self.document(id).await?;
        match document.order_id == order {
            true => Ok(document),
            false => Err(OrderError::NotFound("document")),
        }
    }

    /// The document as a PDF file.
    pub(crate) async fn pdf(&self, document: Document) -> Result<Vec<u8>, Fault> {
        let fonts = self.shared.office.fonts.clone();
        tokio::task::spawn_blocking(move || paper::render(&document, &fonts))
            .await
            .map_err(|error| Fault::internal(error.to_string()))?
    }
}

/// Bills `order` for `key`, once, in the transaction that `connection` is in.
fn issue_invoice(
    connection: &mut PgConnection,
    office: &Office,
    order: OrderId,
    key: &str,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<Document, Failure<OrderError>> {
    // The order is locked before the counter, always.
    let Some(found) = reading::lock(connection, order)? else {
        return refuse(OrderError::NotFound("order"));
    };
    let Some(content) = &found.content else {
        return refuse(OrderError::NotFound("order"));
    };
    if let Some(issued) = documents::issued_for(connection, order, DocumentKind::Invoice, key)? {
        return Ok(issued);
    }
    if !matches!(found.status, Status::Placed | Status::Completed) {
        return refuse(OrderError::WrongState {
            action: "billed",
            status: found.status,
        });
    }
    if let Some((open, _)) = documents::open_invoice(connection, order)? {
        return refuse(OrderError::AlreadyInvoiced(open.number));
    }
    let lines = reading::lines_of(connection, order, content.currency)?;
    let (number, series) = office.number(connection, DocumentKind::Invoice, now)?;
    let details = Bill {
        id: DocumentId::generate(),
        number,
        issued_at: now,
        seller: office.seller.clone(),
        footer: office.settings.footer.clone(),
    };
    let invoice = bill(&found, content, &lines, details);
    if invoice.totals.gross != content.totals.total {
        let said = format!("order {order}: its parts come to {}", invoice.totals.gross);
        return refuse(Fault::internal(said).into());
    }
    store(connection, &invoice, &series, key, actor, now)?;
    Ok(invoice)
}

/// Credits the invoice of `order` for `key`, once, in the transaction that `connection` is in.
fn issue_credit_note(
    connection: &mut PgConnection,
    office: &Office,
    order: OrderId,
    content: &CreditContent,
    key: &str,
    now: DateTime<Utc>,
) -> Result<Document, Failure<OrderError>> {
    let found = reading::lock(connection, order)?.filter(|order| order.content.is_some());
    if found.is_none() {
        return refuse(OrderError::NotFound("order"));
    }
    if let Some(issued) = documents::issued_for(connection, order, DocumentKind::CreditNote, key)? {
        return Ok(issued);
    }
    let Some((invoice, left)) = documents::open_invoice(connection, order)? else {
        return refuse(OrderError::NotInvoiced);
    };
    let positions = credit(&invoice, &left, &content.credit)
        .map_err(OrderError::from)
        .or_refuse()?;
    let exceeded = || {
        let gross: i64 = left.iter().map(|left| left.credited_gross).sum();
        let left = Money::new(invoice.totals.gross.amount - gross, invoice.currency);
        OrderError::Credit(CreditRefusal::MoreThanLeft(left))
    };
    documents::add_credit(connection, invoice.id, &positions).on_violation("invoiced_credited_gross", exceeded)?;
    let (number, series) = office.number(connection, DocumentKind::CreditNote, now)?;
    let issue = Issue {
        id: DocumentId::generate(),
        number,
        issued_at: now,
        reason: content.reason.clone(),
    };
    let credit_note = note(&invoice, positions, issue);
    store(connection, &credit_note, &series, key, content.actor, now)?;
    Ok(credit_note)
}

fn store(
    connection: &mut PgConnection,
    document: &Document,
    series: &Series,
    key: &str,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<(), Failure<OrderError>> {
    let (order, kind) = (document.order_id, document.kind);
    let issued = DocumentIssued {
        order,
        document: document.id,
    };
    let event = Event::of(&issued, now).map_err(OrderError::from).or_refuse()?;
    documents::insert(connection, document, series, key, &event)?;
    let entry = match kind {
        DocumentKind::Invoice => "invoice_issued",
        DocumentKind::CreditNote => "credit_note_issued",
    };
    queries::record(connection, order, entry, actor, now)?;
    queries::touch(connection, order, now)?;
    Ok(())
}
