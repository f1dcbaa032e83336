//! The cart module over the wire: both ends of each call.

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use async_trait::async_trait;
use kernel::id::{CartId, OrderId};
use kernel::remote::{Remote, Repeat, answer};

use crate::{CartApi, CartError, ClaimedCart, Freeze, FrozenCart, PriceRequest, PricedDraft};

const MODULE: &str = "cart";

/// The cart module in other processes.
#[derive(Clone)]
pub struct RemoteCart(Remote);

impl RemoteCart {
    /// The module that `remote` calls.
    pub fn new(remote: Remote) -> Self {
        Self(remote)
    }
}

#[async_trait]
impl CartApi for RemoteCart {
    async fn freeze(&self, request: Freeze) -> Result<FrozenCart, CartError> {
        self.0.call("freeze", &request, Repeat::Yes).await
    }

    async fn unfreeze(&self, cart: CartId, order: OrderId) -> Result<(), CartError> {
        self.0.call("unfreeze", &(cart, order), Repeat::Yes).await
    }

    async fn complete_all(&self, carts: Vec<(CartId, OrderId)>) -> Result<Vec<OrderId>, CartError> {
        self.0.call("complete-all", &carts, Repeat::Yes).await
    }

    async fn price(&self, request: PriceRequest) -> Result<PricedDraft, CartError> {
        self.0.call("price", &request, Repeat::Yes).await
    }

    async fn claimed(&self, after: Option<CartId>, limit: i64) -> Result<Vec<ClaimedCart>, CartError> {
        self.0.call("claimed", &(after, limit), Repeat::Yes).await
    }
}

/// Mounts the module for siblings in other processes.
pub fn serve(config: &mut ServiceConfig, module: &Arc<dyn CartApi>) {
    answer(config, MODULE, "freeze", module, |this, request| async move {
        this.freeze(request).await
    });
    answer(config, MODULE, "unfreeze", module, |this, (cart, order)| async move {
        this.unfreeze(cart, order).await
    });
    answer(config, MODULE, "complete-all", module, |this, carts| async move {
        this.complete_all(carts).await
    });
    answer(config, MODULE, "price", module, |this, request| async move {
        this.price(request).await
    });
    answer(config, MODULE, "claimed", module, |this, (after, limit)| async move {
        this.claimed(after, limit).await
    });
}
