//! Which modules serve here, and how they find each other. The only file that knows about features: a module of this
//! binary that `settings.run` names is made here and handed to those that need it.

#[cfg(any(feature = "user", feature = "product", feature = "cart", feature = "order"))]
mod databases;
#[cfg(not(any(feature = "user", feature = "product", feature = "cart", feature = "order")))]
#[path = "modules/without_databases.rs"]
mod databases;
mod elsewhere;
#[cfg(not(feature = "gateway"))]
mod without_gateway;

use std::io::{BufRead, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;

use cart_api::CartApi;
use cart_api::remote::RemoteCart;
use kernel::event::Feed;
use kernel::http::Api;
use kernel::http::body::BodyLimits;
use kernel::id::UserId;
use kernel::job::Job;
use kernel::module::{Context, Finding, Module};
use kernel::remote::RemoteFeed;
use kernel::service_token::ServiceTokens;
use kernel::settings::Settings;
use kernel::text::Email;
use kernel::token::{KeySource, TokenVerifier};
use kernel::{Clock, Fault};
use product_api::ProductApi;
use product_api::remote::RemoteProduct;
use secrecy::SecretString;
use user_api::UserApi;
use user_api::remote::RemoteUser;

use crate::keys::{self, KeysError};
use crate::settings::SettingsError;
use databases::Databases;
use elsewhere::Elsewhere;

#[cfg(feature = "gateway")]
pub use gateway::Gateway;
#[cfg(not(feature = "gateway"))]
pub use without_gateway::Gateway;

#[cfg(not(any(
    feature = "gateway",
    feature = "user",
    feature = "product",
    feature = "cart",
    feature = "order"
)))]
compile_error!("choose at least one of the features `gateway`, `user`, `product`, `cart`, `order`");

/// The modules of this binary.
pub const COMPILED: &[&str] = &[
    #[cfg(feature = "gateway")]
    "gateway",
    #[cfg(feature = "user")]
    "user",
    #[cfg(feature = "product")]
    "product",
    #[cfg(feature = "cart")]
    "cart",
    #[cfg(feature = "order")]
    "order",
];

/// The modules of a shop, wherever they run: name and public prefixes.
const SHOP: [(&str, &[&str]); 4] = [
    ("user", user_api::PREFIXES),
    ("product", product_api::PREFIXES),
    ("cart", cart_api::PREFIXES),
    ("order", order_api::PREFIXES),
];

/// The modules whose public answers the gateway keeps, and below which prefixes: each publishes an event whenever something
/// in them changes.
#[cfg(feature = "gateway")]
const CACHED: [(&str, &[&str]); 1] = [("product", product_api::CACHED_PREFIXES)];

/// An address where no sibling is: for a store that only tells what it would serve.
const NOWHERE: &str = "http://nowhere.invalid";

/// A module as its siblings hold it, here or elsewhere; `None` where nobody has said where it is.
type Sibling<T> = Option<Arc<T>>;

/// The modules that run in this process, ready to be served.
pub struct Site {
    context: Context,
    databases: Databases,
    elsewhere: Elsewhere,
    hosted: Vec<Arc<dyn Module>>,
    api: Api,
    #[cfg(feature = "user")]
    users: Option<Arc<user::Module>>,
    #[cfg(feature = "product")]
    catalogue: Option<Arc<product::Module>>,
}

/// Why the store cannot start, or a command cannot be carried out. Each reads as one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings cannot be meant.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A key cannot be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The embedded database cannot be started.
    #[cfg(any(feature = "user", feature = "product", feature = "cart", feature = "order"))]
    #[error(transparent)]
    Embedded(#[from] database::embedded::StartError),
    /// A module needs another, and nobody has said where that is.
    #[error(
        "`{needs}` needs `{needed}`, which does not run in this process: say where it is with upstream.{needed}, or add \
         it to `run`"
    )]
    Elsewhere {
        /// What needs it.
        needs: &'static str,
        /// What is missing.
        needed: &'static str,
    },
    /// Migrations have to run first.
    #[error("the database is not up to date: run `bodega migrate` first (pending: {})", .0.join(", "))]
    Pending(Vec<String>),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database, or a module, fails.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Anything else, in words for the operator.
    #[error("{0}")]
    Refused(String),
}

impl Site {
    /// Makes the modules that `settings.run` names; starts the embedded database where one of them has no other.
    ///
    /// # Errors
    ///
    /// What the operator has to change, as one line. A database that is down is none: see [`Site::prepare`].
    pub async fn open(mut settings: Settings, clock: Clock) -> Result<Self, StartError> {
        settings.data.dir = databases::data_dir(&settings)?;
        let settings = Arc::new(settings);
        let databases = Databases::open(&settings).await?;
        let beside = databases.are_embedded().then_some(settings.data.dir.as_path());
        let keys = keys::load(&settings.keys, needed_keys(&settings), beside)?;
        Self::compose(Context { keys, settings, clock }, databases)
    }

    /// The modules without their databases: enough to tell their routes, and whether each finds its siblings.
    ///
    /// # Errors
    ///
    /// As [`Site::open`].
    pub fn offline(settings: Settings, clock: Clock) -> Result<Self, StartError> {
        let settings = Arc::new(settings);
        let databases = Databases::offline(&settings);
        let keys = keys::ephemeral();
        Self::compose(Context { keys, settings, clock }, databases)
    }

    fn compose(context: Context, databases: Databases) -> Result<Self, StartError> {
        let elsewhere = Elsewhere::of(&context)?;
        let mut parts = Parts {
            context: &context,
            databases: &databases,
            elsewhere: &elsewhere,
            hosted: Vec::new(),
        };
        // The order is that of the arrows in `modules/README.md`.
        let user = parts.user()?;
        let product = parts.product();
        let cart = parts.cart(&product.api, &user)?;
        parts.order(&cart, &product)?;
        let hosted = parts.hosted;
        let keys = user.keys.ok_or(StartError::Elsewhere {
            needs: "checking access tokens",
            needed: "user",
        })?;
        let authority = needed("knowing who is staff", "user", &user.api)?;
        let verifier = TokenVerifier::from_source(keys, context.clock.clone());
        let body_limits = BodyLimits {
            json: context.settings.limits.body_bytes,
            patience: context.settings.limits.body_timeout,
        };
        let api = Api::new(Arc::from(hosted.clone()), verifier, authority, body_limits);
        Ok(Self {
            context,
            databases,
            elsewhere,
            hosted,
            api,
            #[cfg(feature = "user")]
            users: user.module,
            #[cfg(feature = "product")]
            catalogue: product.module,
        })
    }

    /// Whether a module runs in this process.
    pub fn runs(&self, module: &str) -> bool {
        runs(&self.context.settings, module)
    }

    /// What the modules were made from.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The modules, in the order of the arrows.
    pub fn modules(&self) -> &[Arc<dyn Module>] {
        &self.hosted
    }

    /// Where the data of this process are.
    pub fn data_dir(&self) -> PathBuf {
        self.context.settings.data.dir.clone()
    }

    /// Whether the modules' database is the embedded one.
    pub fn is_embedded(&self) -> bool {
        self.databases.are_embedded()
    }

    /// What has to be done before anybody may use the databases: those that are not ours are asked whether they keep
    /// what they confirm, our own is migrated.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] while a database is down, when trying again later helps; anything else is final.
    pub async fn prepare(&self) -> Result<(), Fault> {
        self.databases.check_durability().await?;
        if self.is_embedded() {
            self.migrate().await?;
        }
        Ok(())
    }

    /// As [`Site::prepare`], for commands that cannot work on an old schema.
    ///
    /// # Errors
    ///
    /// As [`Site::prepare`], and [`StartError::Pending`].
    pub async fn prepare_for_command(&self) -> Result<(), StartError> {
        self.prepare().await?;
        let mut pending = Vec::new();
        for module in &self.hosted {
            pending.extend(module.pending_migrations().await?);
        }
        match pending.is_empty() {
            true => Ok(()),
            false => Err(StartError::Pending(pending)),
        }
    }

    /// Brings all schemas up to date; answers what ran.
    ///
    /// # Errors
    ///
    /// The fault of the first module that fails.
    pub async fn migrate(&self) -> Result<Vec<String>, Fault> {
        let mut ran = Vec::new();
        for module in &self.hosted {
            ran.extend(module.migrate().await?);
        }
        Ok(ran)
    }

    /// Re-derives the books of all modules; answers what is wrong, by module.
    ///
    /// # Errors
    ///
    /// The fault of the first module that fails.
    pub async fn verify(&self) -> Result<Vec<(&'static str, Finding)>, Fault> {
        let mut findings = Vec::new();
        for module in &self.hosted {
            let found = module.verify().await?;
            findings.extend(found.into_iter().map(|finding| (module.name(), finding)));
        }
        Ok(findings)
    }

    /// The gateway in front of the modules; `None` where it does not run here.
    ///
    /// # Errors
    ///
    /// Settings that cannot be meant, and modules of which nobody has said where they are.
    #[cfg(feature = "gateway")]
    pub fn gateway(&self) -> Result<Option<Gateway>, StartError> {
        if !self.runs("gateway") {
            return Ok(None);
        }
        let mut remote = Vec::new();
        for (name, prefixes) in SHOP.into_iter().filter(|(name, _)| !self.runs(name)) {
            let missing = StartError::Elsewhere {
                needs: "gateway",
                needed: name,
            };
            let upstream = self.elsewhere.upstream(name).ok_or(missing)?;
            remote.push(gateway::RemoteModule { upstream, prefixes });
        }
        let gateway = Gateway::new(
            &self.context,
            self.api.clone(),
            remote,
            self.elsewhere.client.clone(),
            self.elsewhere.tokens.clone(),
            &CACHED,
        );
        gateway.map(Some).map_err(StartError::Refused)
    }

    /// No gateway is in this binary.
    #[cfg(not(feature = "gateway"))]
    pub fn gateway(&self) -> Result<Option<Gateway>, StartError> {
        Ok(None)
    }

    /// The OpenAPI document of what this process serves, as JSON.
    ///
    /// # Errors
    ///
    /// As [`Site::gateway`].
    pub fn document(&self) -> Result<String, StartError> {
        #[cfg(feature = "gateway")]
        if let Some(gateway) = self.gateway()? {
            return as_json(gateway.document());
        }
        as_json(self.api.document())
    }

    /// The public routes of the modules here.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Whether other processes of the shop call this one: where modules run here and others do not.
    pub fn is_called_by_others(&self) -> bool {
        !self.hosted.is_empty() && !is_whole(&self.context.settings)
    }

    /// By which this process knows the others, and they it.
    pub fn service_tokens(&self) -> &ServiceTokens {
        &self.elsewhere.tokens
    }

    /// The background jobs of the modules.
    pub fn jobs(&self) -> Vec<Job> {
        let modules = self.hosted.iter().flat_map(|module| module.jobs());
        let others = self.elsewhere.upstreams.values().map(|upstream| upstream.checks());
        modules.chain(others).chain([self.api.verifier().upkeep()]).collect()
    }

    /// Lets the databases go; the embedded one stops with its last user.
    pub async fn close(self) {
        let Self { databases, hosted, .. } = self;
        drop(hosted);
        databases.close().await;
    }
}

/// The modules of a site while they are being made.
#[cfg_attr(
    not(any(feature = "user", feature = "product", feature = "cart", feature = "order")),
    expect(
        dead_code,
        reason = "a gateway makes no module, and so needs nothing to make one from"
    )
)]
struct Parts<'a> {
    context: &'a Context,
    databases: &'a Databases,
    elsewhere: &'a Elsewhere,
    hosted: Vec<Arc<dyn Module>>,
}

/// The user module, here or elsewhere.
struct Users {
    api: Sibling<dyn UserApi>,
    keys: Sibling<dyn KeySource>,
    #[cfg_attr(
        not(feature = "cart"),
        expect(dead_code, reason = "carts alone hear of accounts that are gone")
    )]
    feed: Sibling<dyn Feed>,
    #[cfg(feature = "user")]
    module: Option<Arc<user::Module>>,
}

/// The product module, here or elsewhere.
struct Catalogue {
    api: Sibling<dyn ProductApi>,
    #[cfg_attr(
        not(feature = "order"),
        expect(dead_code, reason = "orders alone tell others of what changes")
    )]
    feed: Sibling<dyn Feed>,
    #[cfg(feature = "product")]
    module: Option<Arc<product::Module>>,
}

/// The cart module, here or elsewhere.
#[cfg_attr(
    not(feature = "order"),
    expect(dead_code, reason = "orders alone have to do with carts")
)]
struct Carts {
    api: Sibling<dyn CartApi>,
    feed: Sibling<dyn Feed>,
}

impl Parts<'_> {
    fn user(&mut self) -> Result<Users, StartError> {
        #[cfg(feature = "user")]
        if runs(&self.context.settings, "user") {
            let made = user::Module::new(self.context, self.databases.of("user"));
            let module = Arc::new(made.map_err(|reason| KeysError::Unusable { name: "token", reason })?);
            self.hosted.push(Arc::clone(&module) as Arc<dyn Module>);
            return Ok(Users {
                api: Some(module.service()),
                keys: Some(module.keys()),
                feed: Some(module.feed()),
                module: Some(module),
            });
        }
        let remote = self.elsewhere.remote("user");
        let feed = remote.clone().map(RemoteFeed::new);
        let remote = remote.map(|remote| Arc::new(RemoteUser::new(remote)));
        Ok(Users {
            api: remote.clone().map(|remote| remote as Arc<dyn UserApi>),
            keys: remote.map(|remote| remote as Arc<dyn KeySource>),
            feed: feed.map(|feed| Arc::new(feed) as Arc<dyn Feed>),
            #[cfg(feature = "user")]
            module: None,
        })
    }

    fn product(&mut self) -> Catalogue {
        #[cfg(feature = "product")]
        if runs(&self.context.settings, "product") {
            let module = Arc::new(product::Module::new(self.context, self.databases.of("product")));
            self.hosted.push(Arc::clone(&module) as Arc<dyn Module>);
            return Catalogue {
                api: Some(module.service()),
                feed: Some(module.feed()),
                module: Some(module),
            };
        }
        let remote = self.elsewhere.remote("product");
        let feed = remote.clone().map(RemoteFeed::new);
        let remote = remote.map(RemoteProduct::new);
        Catalogue {
            api: remote.map(|remote| Arc::new(remote) as Arc<dyn ProductApi>),
            feed: feed.map(|feed| Arc::new(feed) as Arc<dyn Feed>),
            #[cfg(feature = "product")]
            module: None,
        }
    }

    fn cart(&mut self, product: &Sibling<dyn ProductApi>, user: &Users) -> Result<Carts, StartError> {
        #[cfg(feature = "cart")]
        if runs(&self.context.settings, "cart") {
            let product = needed("cart", "product", product)?;
            let accounts = needed("cart", "user", &user.feed)?;
            let user = needed("cart", "user", &user.api)?;
            let module = Arc::new(cart::Module::new(
                self.context,
                self.databases.of("cart"),
                product,
                user,
                accounts,
            ));
            self.hosted.push(Arc::clone(&module) as Arc<dyn Module>);
            return Ok(Carts {
                api: Some(module.service()),
                feed: Some(module.feed()),
            });
        }
        let _ = (product, user);
        let remote = self.elsewhere.remote("cart");
        let feed = remote.clone().map(RemoteFeed::new);
        let remote = remote.map(RemoteCart::new);
        Ok(Carts {
            api: remote.map(|remote| Arc::new(remote) as Arc<dyn CartApi>),
            feed: feed.map(|feed| Arc::new(feed) as Arc<dyn Feed>),
        })
    }

    fn order(&mut self, cart: &Carts, product: &Catalogue) -> Result<(), StartError> {
        #[cfg(feature = "order")]
        if runs(&self.context.settings, "order") {
            let siblings = order::SiblingFeeds {
                cart: needed("order", "cart", &cart.feed)?,
                product: needed("order", "product", &product.feed)?,
            };
            let cart = needed("order", "cart", &cart.api)?;
            let product = needed("order", "product", &product.api)?;
            let databases = self.databases.of("order");
            let module = order::Module::new(self.context, databases, cart, product, siblings)?;
            self.hosted.push(Arc::new(module));
            return Ok(());
        }
        let _ = (cart, product);
        Ok(())
    }
}

/// Commands that one module carries out.
impl Site {
    /// Makes an account that may do everything, or makes an existing account one.
    ///
    /// # Errors
    ///
    /// What is wrong with the address or the password.
    pub async fn create_admin(&self, email: Email, password: SecretString) -> Result<UserId, StartError> {
        #[cfg(feature = "user")]
        if let Some(users) = &self.users {
            use secrecy::ExposeSecret;
            let made = users.create_admin(email.as_str(), password.expose_secret()).await;
            return made.map_err(|error| StartError::Refused(error.to_string()));
        }
        let _ = (email, password);
        Err(absent("user"))
    }

    /// Puts the products of a file into the catalogue; `progress` hears how many products have been seen to.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read at all, or the database fails; bad rows are part of the report.
    pub async fn import(
        &self,
        source: impl BufRead + Seek + Send + 'static,
        format: ImportFormat,
        dry_run: bool,
        mut progress: impl FnMut(u64) + Send + 'static,
    ) -> Result<Imported, StartError> {
        #[cfg(feature = "product")]
        if let Some(catalogue) = &self.catalogue {
            let format = match format {
                ImportFormat::Auto => product::ImportFormat::Auto,
                ImportFormat::Ndjson => product::ImportFormat::Ndjson,
                ImportFormat::Shopify => product::ImportFormat::ShopifyCsv,
            };
            let told = move |so_far: product::Progress| progress(so_far.created + so_far.updated + so_far.unchanged);
            let report = catalogue.import(source, format, dry_run, told).await;
            let report = report.map_err(|error| StartError::Refused(error.to_string()))?;
            let errors = report.errors.into_iter().map(|error| WrongField {
                line: error.line,
                pointer: error.pointer,
                code: error.code,
                detail: error.detail,
            });
            return Ok(Imported {
                created: report.created,
                updated: report.updated,
                unchanged: report.unchanged,
                skipped: report.skipped,
                errors: errors.collect(),
            });
        }
        let _ = (source, format, dry_run, &mut progress);
        Err(absent("product"))
    }

    /// Writes the catalogue; answers the number of products.
    ///
    /// # Errors
    ///
    /// Where the database fails or nothing more can be written.
    pub async fn export(&self, format: ExportFormat, target: Box<dyn Write + Send>) -> Result<u64, StartError> {
        #[cfg(feature = "product")]
        if let Some(catalogue) = &self.catalogue {
            let format = match format {
                ExportFormat::Ndjson => product::ExportFormat::Ndjson,
                ExportFormat::Shopify => product::ExportFormat::ShopifyCsv,
            };
            let written = catalogue.export(format, target).await;
            return written.map_err(|error| StartError::Refused(error.to_string()));
        }
        let _ = (format, target);
        Err(absent("product"))
    }

    /// Puts the demo catalogue into a catalogue that has no product; answers whether it did.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn import_demo(&self) -> Result<bool, StartError> {
        #[cfg(feature = "product")]
        if let Some(catalogue) = &self.catalogue {
            let imported = catalogue.import_demo().await;
            let imported = imported.map_err(|error| StartError::Refused(error.to_string()))?;
            return Ok(imported.is_some());
        }
        Ok(false)
    }
}

/// The shape of a file of products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ImportFormat {
    /// Told by the file itself.
    #[default]
    Auto,
    /// One JSON object per line.
    Ndjson,
    /// Shopify's product CSV.
    Shopify,
}

/// The shape in which products are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// One JSON object per line, with everything that is known of a product.
    #[default]
    Ndjson,
    /// Shopify's product CSV, which has no place for attributes, ids and days of release.
    Shopify,
}

/// What an import did.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Imported {
    /// Products that are new.
    pub created: u64,
    /// Products that have changed.
    pub updated: u64,
    /// Products that were as the file has them.
    pub unchanged: u64,
    /// How many rows could not be taken.
    pub skipped: u64,
    /// What was wrong with them: the first ten thousand mistakes.
    pub errors: Vec<WrongField>,
}

/// Why a row could not be taken.
#[derive(Clone, Debug, serde::Serialize)]
pub struct WrongField {
    /// Where it is in the file, from 1.
    pub line: u64,
    /// The field: a JSON pointer, or `/` and the name of the column; empty for the whole row.
    pub pointer: String,
    /// Stable and machine-readable.
    pub code: String,
    /// For people.
    pub detail: String,
}

fn needed<T: ?Sized>(needs: &'static str, needed: &'static str, sibling: &Sibling<T>) -> Result<Arc<T>, StartError> {
    sibling.clone().ok_or(StartError::Elsewhere { needs, needed })
}

fn runs(settings: &Settings, module: &str) -> bool {
    settings.run.iter().any(|name| name == module)
}

/// Whether the whole shop runs in this process.
fn is_whole(settings: &Settings) -> bool {
    runs(settings, "gateway") && SHOP.iter().all(|(module, _)| runs(settings, module))
}

/// The keys without which what the settings run cannot work.
pub fn needed_keys(settings: &Settings) -> keys::Needed {
    keys::Needed {
        token: runs(settings, "user"),
        service: !is_whole(settings),
        secret: SHOP.iter().any(|(module, _)| runs(settings, module)),
    }
}

fn as_json(document: &impl serde::Serialize) -> Result<String, StartError> {
    serde_json::to_string_pretty(document).map_err(|error| StartError::Refused(error.to_string()))
}

/// The same settings, in which every module that does not run here is somewhere, though nobody answers there: for telling
/// what this process serves without knowing where its siblings are.
pub fn with_siblings_nowhere(mut settings: Settings) -> Settings {
    for (module, _) in SHOP {
        let addresses = settings.upstream.entry(module.to_owned()).or_default();
        if addresses.is_empty() {
            addresses.push(NOWHERE.to_owned());
        }
    }
    settings
}

/// Refuses what only one module can do where it does not run.
///
/// # Errors
///
/// One line that says whether the binary or the settings lack it.
pub fn require(settings: &Settings, module: &str) -> Result<(), StartError> {
    match runs(settings, module) {
        true => Ok(()),
        false => Err(absent(module)),
    }
}

/// Refuses what only modules with a database can do where none runs.
///
/// # Errors
///
/// One line that says so.
pub fn require_books(settings: &Settings) -> Result<(), StartError> {
    match SHOP.iter().any(|(module, _)| runs(settings, module)) {
        true => Ok(()),
        false => Err(StartError::Refused(
            "no module with a database runs in this process: do this where one does".to_owned(),
        )),
    }
}

fn absent(module: &str) -> StartError {
    StartError::Refused(match COMPILED.contains(&module) {
        true => format!("the module `{module}` does not run in this process: do this where it does"),
        false => format!(
            "the module `{module}` is not in this binary, which has {}: do this where it is",
            COMPILED.join(", ")
        ),
    })
}

/// Finds settings that the modules of this binary cannot work with, before anything is started.
///
/// # Errors
///
/// One line that names the setting.
pub fn check(settings: &Settings) -> Result<(), StartError> {
    #[cfg(feature = "gateway")]
    gateway::check(settings).map_err(StartError::Refused)?;
    #[cfg(feature = "cart")]
    if runs(settings, "cart") {
        cart::check(settings).map_err(StartError::Refused)?;
    }
    #[cfg(feature = "order")]
    if runs(settings, "order") {
        order::check(settings).map_err(StartError::Refused)?;
    }
    databases::check_transport(settings)
}
