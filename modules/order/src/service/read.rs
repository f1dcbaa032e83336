//! Reading orders: their buyers' own, and all of them for staff.

use database::refuse;
use kernel::id::OrderId;
use kernel::identity::Holder;
use kernel::{Fault, Page};
use uuid::Uuid;

use super::Service;
use crate::domain::view::{Audience, OrderView};
use crate::error::OrderError;
use crate::queries::reading::{self, OrderFilter};

/// A page of orders.
#[derive(Clone, Debug)]
pub(crate) struct ListOrders {
    pub(crate) filter: OrderFilter,
    pub(crate) audience: Audience,
    pub(crate) limit: i64,
    pub(crate) cursor: Option<String>,
}

impl Service {
    /// An order, for its buyer: who is signed in as its user, or holds the secret of a guest's.
    pub(crate) async fn find(&self, order: OrderId, holder: Holder) -> Result<OrderView, OrderError> {
        let secret = self.shared.secret.clone();
        self.shared
            .db
            .run(move |connection| {
                let whole = reading::whole(connection, order)?;
                let own = whole.filter(|whole| holder.may_act_on(order, whole.order.user, &secret));
                match own.and_then(|whole| whole.view(Audience::Holder)) {
                    Some(view) => Ok(view),
                    None => refuse(OrderError::NotFound("order")),
                }
            })
            .await
    }

    /// An order, for staff.
    pub(crate) async fn find_any(&self, order: OrderId) -> Result<OrderView, OrderError> {
        let whole = self.query(move |connection| reading::whole(connection, order)).await?;
        whole
            .and_then(|whole| whole.view(Audience::Staff))
            .ok_or(OrderError::NotFound("order"))
    }

    /// Those of `orders` that have got beyond their placing, for the module itself.
    pub(crate) async fn find_all(&self, orders: Vec<OrderId>) -> Result<Vec<OrderView>, Fault> {
        let ids: Vec<Uuid> = orders.into_iter().map(OrderId::uuid).collect();
        let whole = self.query(move |connection| reading::by_ids(connection, &ids)).await?;
        Ok(whole
            .into_iter()
            .filter_map(|whole| whole.view(Audience::Buyer))
            .collect())
    }

    /// What proves an order to whoever has no account, for the module itself.
    pub(crate) fn secret_of(&self, order: OrderId) -> String {
        self.shared.secret.guest_secret(order)
    }

    /// A page of orders, newest first.
    pub(crate) async fn list(&self, list: ListOrders) -> Result<Page<OrderView>, kernel::Problem> {
        let ListOrders {
            filter,
            audience,
            limit,
            cursor,
        } = list;
        let name = format!("orders {filter:?}");
        let cursors = &self.shared.cursors;
        let before = cursor.map(|cursor| cursors.open::<OrderId>(&name, &cursor)).transpose();
        let before = before.map_err(kernel::Problem::invalid_query)?;
        let whole = self
            .query(move |connection| reading::list(connection, &filter, before, limit + 1))
            .await?;
        let views = whole.into_iter().filter_map(|whole| whole.view(audience)).collect();
        Ok(Page::from_surplus(views, limit, |order: &OrderView| {
            cursors.seal(&name, &order.id)
        }))
    }

    /// Whether the caller may act on the order; foreign and unknown ones are not found.
    pub(crate) async fn authorise(&self, order: OrderId, holder: &Holder) -> Result<(), OrderError> {
        let found = self.query(move |connection| reading::order(connection, order)).await?;
        let own =
            found.filter(|found| found.content.is_some() && holder.may_act_on(order, found.user, &self.shared.secret));
        own.map(drop).ok_or(OrderError::NotFound("order"))
    }
}
