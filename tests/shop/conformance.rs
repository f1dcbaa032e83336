//! What siblings promise each other, here and elsewhere. There is a suite per trait, written once against the trait: it
//! runs against the module in this process, and against the module behind a real internal listener and somebody on the
//! way who delivers calls late, twice, or without an answer.
//!
//! These tests choose their processes themselves, and run once whatever the topology.

mod carts;
mod deadlines;
mod events;
mod products;
mod refusals;
mod users;

use std::sync::Arc;

use cart_api::CartApi;
use cart_api::remote::RemoteCart;
use database::{Db, Options};
use kernel::module::{Context, Module as _};
use kernel::remote::Remote;
use kernel::service_token::ServiceTokens;
use kernel::upstream::{Client, Limits, Upstream};
use product_api::ProductApi;
use product_api::remote::RemoteProduct;
use user_api::UserApi;
use user_api::remote::RemoteUser;

use crate::support::{Interposer, Store, Topology};

/// The modules of a store as a sibling holds them.
struct Siblings {
    user: Arc<dyn UserApi>,
    product: Arc<dyn ProductApi>,
    cart: Arc<dyn CartApi>,
}

/// A store whose modules are processes of their own.
async fn store() -> Store {
    Store::spread(Topology::Five, [("shop.locales", "en,de")]).await
}

fn context(store: &Store) -> Context {
    store.site_of("user").context().clone()
}

impl Siblings {
    /// The modules in this process, over the data of the store.
    fn here(store: &Store) -> Siblings {
        let context = context(store);
        let database = Db::open(store.database_url().to_owned().into(), Options::default());
        let users = user::Module::new(&context, database.clone()).unwrap();
        let (user, accounts) = (users.service(), users.feed());
        let product = product::Module::new(&context, database.clone()).service();
        let carts = cart::Module::new(&context, database, Arc::clone(&product), Arc::clone(&user), accounts);
        Siblings {
            user,
            product,
            cart: carts.service(),
        }
    }

    /// The modules in the store's processes, on an unreliable way.
    async fn elsewhere(store: &Store) -> Siblings {
        Siblings {
            user: Arc::new(RemoteUser::new(unreliable(store, "user").await)),
            product: Arc::new(RemoteProduct::new(unreliable(store, "product").await)),
            cart: Arc::new(RemoteCart::new(unreliable(store, "cart").await)),
        }
    }
}

async fn unreliable(store: &Store, module: &str) -> Remote {
    let interposer = Interposer::unreliable(store.internal_of(module)).await;
    remote(store, module, interposer.url())
}

/// A module of the store at `address`.
fn remote(store: &Store, module: &str, address: String) -> Remote {
    let context = context(store);
    let tokens = ServiceTokens::new("conformance", &context.keys.service, context.clock);
    let upstream = Upstream::new(module, &[address], Limits::default()).unwrap();
    Remote::new(upstream, Client::default(), tokens)
}
