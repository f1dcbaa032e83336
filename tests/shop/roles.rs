//! One database role for each module: what `config/postgres/roles.sql` makes is enough for everything that a module does,
//! and for nothing in another's schema.

use database::connection::{Limits, connect};
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use kernel::keys::SecretKey;
use kernel::token::TokenSigner;
use secrecy::ExposeSecret;

use super::support::{Store, TestDatabase, bodega, eventually, sandbox, variant};

/// The file that operators run.
const ROLES: &str = include_str!("../../config/postgres/roles.sql");

/// Modules, and the schemas that are theirs.
const OWNERS: [(&str, &str); 5] = [
    ("user", "users"),
    ("product", "products"),
    ("cart", "carts"),
    ("order", "orders"),
    ("order", "sandbox"),
];

/// A database without schemas, on which the file has been run.
struct Divided {
    database: TestDatabase,
}

impl Divided {
    async fn create() -> Divided {
        let divided = Divided {
            database: TestDatabase::create().await,
        };
        // What the template has migrated belongs to a superuser.
        let schemas = OWNERS.map(|(_, schema)| schema).join(", ");
        let passwords = OWNERS.map(|(module, _)| format!("ALTER ROLE bodega_{module} PASSWORD 'secret';"));
        let steps = [
            format!("DROP SCHEMA IF EXISTS {schemas} CASCADE"),
            ROLES.to_owned(),
            ROLES.to_owned(),
            passwords.concat(),
        ];
        let url = divided.database.url.clone();
        let run = move || {
            let mut superuser = connection(&url);
            for step in steps {
                superuser.batch_execute(&step).unwrap();
            }
        };
        tokio::task::spawn_blocking(run).await.unwrap();
        divided
    }

    /// The address of the database for a module's role.
    fn url(&self, module: &str) -> String {
        let (scheme, rest) = self.database.url.split_once("://").unwrap();
        let (_, place) = rest.split_once('@').unwrap();
        format!("{scheme}://bodega_{module}:secret@{place}")
    }

    /// Each module's own address, as the settings take it.
    fn settings(&self) -> [(&'static str, String); 4] {
        [
            ("database.user.url", self.url("user")),
            ("database.product.url", self.url("product")),
            ("database.cart.url", self.url("cart")),
            ("database.order.url", self.url("order")),
        ]
    }
}

fn connection(url: &str) -> PgConnection {
    connect(&url.to_owned().into(), &Limits::default()).unwrap()
}

/// A statement that succeeds where `attempt` is refused for want of a right (42501), and for nothing else.
fn refused(attempt: &str) -> String {
    format!(
        "DO $$ BEGIN EXECUTE '{attempt}'; RAISE EXCEPTION 'nobody minds'; \
         EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"
    )
}

#[tokio::test]
async fn each_module_migrates_and_sells_with_its_own_role_and_no_role_reads_another_schema() {
    let divided = Divided::create().await;
    let urls = divided.settings();
    let urls: Vec<(&str, &str)> = urls.iter().map(|(key, url)| (*key, url.as_str())).collect();
    migrate_each(&urls).await;

    let store = Store::with([urls[0], urls[1], urls[2], urls[3]]).await;
    let product = store.admin().await.product(1999, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 2)]).await;
    let order = cart.buy(sandbox("tok_ok")).await.expect(201);
    assert_eq!(order["status"], "placed");
    let ask = || async { cart.now().await };
    eventually(ask, |cart| cart["status"] == "completed").await;
    assert_eq!(store.findings().await, Vec::<String>::new());

    let addresses = ["user", "product", "cart", "order"].map(|module| (module, divided.url(module)));
    let look = move || {
        for (module, url) in addresses {
            let mut role = connection(&url);
            for (owner, schema) in OWNERS {
                let read = format!("SELECT FROM {schema}.outbox");
                let statement = if owner == module { read } else { refused(&read) };
                let outcome = role.batch_execute(&statement);
                outcome.unwrap_or_else(|error| panic!("{module} in {schema}: {error}"));
            }
            for attempt in [
                "CREATE SCHEMA mine",
                "CREATE TABLE public.mine ()",
                "CREATE TEMPORARY TABLE mine ()",
            ] {
                role.batch_execute(&refused(attempt))
                    .unwrap_or_else(|error| panic!("{module}: {attempt}: {error}"));
            }
        }
    };
    tokio::task::spawn_blocking(look).await.unwrap();
}

/// Migrates each module as a process of its own would: without the addresses of the others' schemas.
async fn migrate_each(urls: &[(&str, &str)]) {
    let service = SecretKey::generate().encode();
    let secret = SecretKey::generate().encode();
    let token = TokenSigner::generate_key();
    for (key, url) in urls {
        let module = key.split('.').nth(1).unwrap();
        let settings = [
            (*key, *url),
            ("run", module),
            ("upstream.user", "http://127.0.0.1:9"),
            ("upstream.product", "http://127.0.0.1:9"),
            ("upstream.cart", "http://127.0.0.1:9"),
            ("keys.service", &service),
            ("keys.secret", &secret),
            ("keys.token", token.expose_secret()),
            ("payments.sandbox.enabled", "true"),
        ];
        let outcome = bodega(&["migrate"], &settings).await;
        assert_eq!(outcome.code, 0, "{module}: {outcome:?}");
        assert!(!outcome.stdout.contains("up to date"), "{module}: {outcome:?}");
    }
}
