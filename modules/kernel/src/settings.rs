//! The settings of a shop. One file serves every process, so that all sections are known everywhere, whether or not
//! the module that reads them is inside. `config/default.toml` holds every key with its default and its meaning;
//! the types here only give them shape.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::money::Currencies;
use crate::text::Email;
use crate::{Currency, Locale};

/// Everything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each section documents itself")]
pub struct Settings {
    /// Which of the compiled-in modules serve here.
    pub run: Vec<String>,
    pub server: Server,
    pub data: Data,
    pub database: Database,
    /// Where the modules that do not run here are: name to the addresses of their internal listeners.
    pub upstream: BTreeMap<String, Vec<String>>,
    pub gateway: Gateway,
    pub keys: KeySettings,
    pub shop: Shop,
    pub media: Media,
    pub user: User,
    pub cart: Cart,
    pub order: Order,
    pub payments: Payments,
    pub webhooks: Webhooks,
    pub mail: Mail,
    pub limits: Limits,
    pub cors: Cors,
    pub log: Log,
}

/// Listeners and how they stop.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address of the public listener; only where the gateway runs.
    pub public: String,
    /// Address of the listener for siblings and gateways elsewhere.
    pub internal: String,
    /// Address of `/livez`, `/readyz` and `/metrics`.
    pub management: String,
    /// HTTP workers; 0 chooses by the number of cores and where the database is.
    pub workers: usize,
    /// How long readiness is off before the listeners close.
    #[serde(deserialize_with = "duration")]
    pub drain_delay: Duration,
    /// How long requests in flight may then take.
    #[serde(deserialize_with = "duration")]
    pub drain_timeout: Duration,
}

/// How requests are passed on to the modules, and what is kept of their answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// How long the first byte of an answer may take, and each further piece.
    #[serde(deserialize_with = "duration")]
    pub first_byte_timeout: Duration,
    /// The same for placing, paying, capturing and refunding orders, which wait for payment providers.
    #[serde(deserialize_with = "duration")]
    pub checkout_timeout: Duration,
    /// Requests at a time to one address.
    pub upstream_requests: usize,
    /// How many more may wait for one of those to end, for up to a second; others are answered 503.
    pub upstream_queue: usize,
    /// Answers at a time that go on as long as their clients listen; others are answered 503.
    pub streams: usize,
    /// How much memory answers may take that are kept for everybody, in bytes; 0 keeps none.
    pub cache_bytes: u64,
}

/// Files of this process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Where the embedded database, keys and mail are; empty for the system's usual place.
    pub dir: PathBuf,
}

/// PostgreSQL.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Where PostgreSQL is; empty for the embedded one.
    pub url: SecretString,
    /// Serve although the server may lose commits it has acknowledged.
    pub allow_unsafe_durability: bool,
    /// Connections per distinct address; 0 chooses by the number of cores.
    pub connections: u32,
    /// How long a request may wait for a connection before it is answered 503.
    #[serde(deserialize_with = "duration")]
    pub wait_timeout: Duration,
    /// The longest statement.
    #[serde(deserialize_with = "duration")]
    pub statement_timeout: Duration,
    /// The longest wait for a row lock.
    #[serde(deserialize_with = "duration")]
    pub lock_timeout: Duration,
    /// Where the embedded database's programs are; empty to look in the usual places.
    pub binaries: PathBuf,
    /// The user module's own database.
    pub user: Option<ModuleDatabase>,
    /// The product module's own database.
    pub product: Option<ModuleDatabase>,
    /// The cart module's own database.
    pub cart: Option<ModuleDatabase>,
    /// The order module's own database.
    pub order: Option<ModuleDatabase>,
}

impl Database {
    /// The address for one module: its own where it has one, else the common one.
    pub fn url_of(&self, module: &str) -> &SecretString {
        let own = match module {
            "user" => &self.user,
            "product" => &self.product,
            "cart" => &self.cart,
            "order" => &self.order,
            _ => &None,
        };
        own.as_ref().map_or(&self.url, |own| &own.url)
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Database")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

/// A database of one module's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleDatabase {
    /// Where it is.
    pub url: SecretString,
}

/// Keys, each given directly or by a file; empty means: made by itself beside the embedded database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key has a pair; config/default.toml tells what each is for"
)]
pub struct KeySettings {
    pub token: SecretString,
    pub token_file: PathBuf,
    pub token_other: SecretString,
    pub token_other_file: PathBuf,
    pub service: SecretString,
    pub service_file: PathBuf,
    pub secret: SecretString,
    pub secret_file: PathBuf,
}

/// The shop itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    /// Its name, in mails.
    pub name: String,
    /// The currency of prices and carts.
    #[serde(deserialize_with = "currency")]
    pub currency: Currency,
    /// Further currencies in which the shop sells what has a price in them.
    #[serde(deserialize_with = "currencies")]
    pub currencies: Vec<Currency>,
    /// The language that its resources are written in.
    #[serde(deserialize_with = "locale")]
    pub locale: Locale,
    /// All languages that it speaks; where it is empty, `locale` alone.
    #[serde(deserialize_with = "locales")]
    pub locales: Vec<Locale>,
}

impl Shop {
    /// All currencies in which the shop sells.
    pub fn all_currencies(&self) -> Currencies {
        Currencies::new(self.currency, &self.currencies)
    }
}

/// Images that are uploaded.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// The largest file that is taken for an image, in bytes.
    pub image_bytes: usize,
    /// Where files are.
    pub store: MediaStore,
    /// Where that is, if it is a bucket.
    pub s3: S3,
}

/// Where the files of images are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaStore {
    /// In the data directory.
    Local,
    /// In a bucket.
    S3,
}

/// A bucket of Amazon S3, or of whatever speaks like it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// Its name.
    pub bucket: String,
    /// Where buckets are looked for, by path; empty: at Amazon, by name.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// What the names of all files begin with; empty: with nothing.
    pub prefix: String,
    /// Who signs requests.
    pub access_key: SecretString,
    /// With what.
    pub secret_key: SecretString,
}

/// Accounts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// How long a sign-in lasts, refreshed or not.
    #[serde(deserialize_with = "duration")]
    pub session_lifetime: Duration,
    /// How many passwords are hashed at a time; 0 chooses by the number of cores.
    pub hashing_permits: usize,
    /// How many more may wait; others are answered 503.
    pub hashing_queue: usize,
}

/// Carts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cart {
    /// How long a cart lives after its last change.
    #[serde(deserialize_with = "duration")]
    pub lifetime: Duration,
    /// How long after its last change an open cart counts as left behind: others are told of it then.
    #[serde(deserialize_with = "duration")]
    pub left_after: Duration,
    /// Where open carts are kept.
    pub store: CartStore,
    /// The Redis of carts, where they are kept in one.
    pub redis_url: SecretString,
    /// How the names of all keys in it begin.
    pub redis_prefix: String,
    /// How long it may take to answer; then carts are not to be had for a moment.
    #[serde(deserialize_with = "duration")]
    pub redis_timeout: Duration,
    /// Who is asked for live rates of carriers.
    pub carriers: ExternalService,
    /// Who is asked for taxes instead of the shop's zones.
    pub taxes: ExternalService,
}

/// A service outside the shop that is asked by HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalService {
    /// Where it is; empty where there is none.
    pub url: String,
    /// Sent as the bearer token; empty where none is needed.
    pub token: SecretString,
    /// How long it may take to answer.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
}

/// Where open carts are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CartStore {
    /// In PostgreSQL, as everything else.
    Postgres,
    /// In a Redis.
    Redis,
}

/// Orders.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// How long an order waits for its payment before it is cancelled.
    #[serde(deserialize_with = "duration")]
    pub payment_window: Duration,
    /// How long a call to a payment provider may take.
    #[serde(deserialize_with = "duration")]
    pub provider_timeout: Duration,
    /// How long the process that works on an order has it for itself; afterwards another may go on.
    #[serde(deserialize_with = "duration")]
    pub lease: Duration,
    /// How orders are numbered.
    pub numbers: OrderNumbers,
    /// What all numbers of orders begin with.
    #[serde(deserialize_with = "number_prefix")]
    pub number_prefix: String,
    /// Invoices and credit notes.
    pub invoices: Invoices,
}

/// How orders are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderNumbers {
    /// One after the other; an order that was refused on its way leaves a gap.
    Sequence,
    /// One after the other, given to an order when it can be seen.
    GapFree,
    /// Ten digits that tell nothing.
    Random,
}

/// Invoices and credit notes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invoices {
    /// When an order is billed by itself.
    pub issue: IssueInvoices,
    /// What the numbers of invoices begin with; `{year}` stands for the year, in which they then begin anew.
    #[serde(deserialize_with = "series_prefix")]
    pub invoice_prefix: String,
    /// The same for credit notes.
    #[serde(deserialize_with = "series_prefix")]
    pub credit_note_prefix: String,
    /// Who sells; empty for the shop's name.
    pub seller: String,
    /// Where the seller is, a line each.
    pub seller_address: Vec<String>,
    /// By which a tax office knows the seller.
    pub seller_tax_number: String,
    /// What stands below each document.
    pub footer: String,
    /// Font files for what the built-in font has no glyphs for, asked in this order.
    pub fonts: Vec<PathBuf>,
}

/// When an order is billed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueInvoices {
    /// Never: staff do it.
    Manual,
    /// When it is placed.
    Placed,
    /// When all of its money is taken.
    Captured,
    /// When all of it has left the house.
    Fulfilled,
}

/// Payment providers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payments {
    /// Bank transfer, cash on delivery: captured by staff.
    pub manual: Provider,
    /// A payment service of our own for development and tests.
    pub sandbox: Sandbox,
    /// Cards and more, by Stripe.
    pub stripe: Stripe,
}

/// The payment service of our own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    /// Whether customers can choose it.
    pub enabled: bool,
    /// Where it tells of what has happened; empty: nowhere.
    pub webhook_url: String,
    /// With what it signs what it tells, and the shop believes it.
    pub webhook_secret: SecretString,
}

/// Stripe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stripe {
    /// Whether customers can choose it.
    pub enabled: bool,
    /// `sk_…` or `rk_…`: by which the shop is known to Stripe.
    pub secret_key: SecretString,
    /// `whsec_…`: by which the shop knows Stripe's events.
    pub webhook_secret: SecretString,
    /// `pk_…`: handed to buyers for Stripe.js.
    pub publishable_key: String,
    /// When money is taken.
    pub capture: Capture,
    /// Where Stripe is; empty: where it is for everybody.
    pub api: String,
}

/// When a provider takes the money of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// When the order is placed.
    Automatic,
    /// When staff say so; until then it is promised.
    Manual,
}

/// One payment provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Whether customers can choose it.
    pub enabled: bool,
}

/// Where events may be sent to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Whether plain HTTP will do, within `allow_networks`.
    pub allow_insecure: bool,
    /// Networks that may be sent to although the public cannot reach them.
    pub allow_networks: Vec<String>,
}

/// Mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The sender.
    #[serde(deserialize_with = "email")]
    pub from: Email,
    /// `smtp://user:password@host:port` or `smtps://…`; empty writes `.eml` files into the data directory.
    pub smtp_url: SecretString,
    /// A folder with templates that stand in for the built-in ones; empty for none.
    pub templates: PathBuf,
    /// Where an order is paid that staff have made, with `{order}` and `{secret}` in it; empty for nowhere.
    pub payment_link: String,
}

/// Rate limits and sizes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Whether rates are limited at all; load tests switch this off.
    pub enabled: bool,
    /// Requests per minute and address.
    pub general_per_minute: u32,
    /// Logins per minute and address.
    pub login_per_minute: u32,
    /// Registrations per minute and address.
    pub register_per_minute: u32,
    /// Refreshes per minute and address.
    pub refresh_per_minute: u32,
    /// Events of payment providers per minute and address, which are not counted among the others.
    pub webhooks_per_minute: u32,
    /// The largest JSON body, in bytes.
    pub body_bytes: usize,
    /// The largest body of any kind, in bytes.
    pub upload_bytes: usize,
    /// Connections at a time, over all workers.
    pub connections: usize,
    /// Requests that the gateway works on at a time; the last fifth is for checkouts.
    pub in_flight: usize,
    /// How long a connection without a request stays open.
    #[serde(deserialize_with = "duration")]
    pub idle_timeout: Duration,
    /// How long the head of a request may take to come.
    #[serde(deserialize_with = "duration")]
    pub head_timeout: Duration,
    /// How long a short body may take to come, and each piece of a long one.
    #[serde(deserialize_with = "duration")]
    pub body_timeout: Duration,
    /// How long a client may leave unread what it was sent.
    #[serde(deserialize_with = "duration")]
    pub write_timeout: Duration,
    /// A Redis in which several gateways count together; empty to count in memory.
    pub redis_url: SecretString,
    /// How long it may take to say what is left; then this gateway counts by itself for a while.
    #[serde(deserialize_with = "duration")]
    pub redis_timeout: Duration,
    /// Proxies (addresses or networks) whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
}

/// Cross-origin requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Exact origins, e.g. `https://shop.example`.
    pub origins: Vec<String>,
}

/// Logs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A `tracing` filter, e.g. `info` or `info,bodega=debug`; `RUST_LOG` wins.
    pub filter: String,
    /// `json`, `pretty`, or `auto`: pretty on a terminal.
    pub format: String,
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|error| serde::de::Error::custom(format!("`{text}` is not a duration like `15m`: {error}")))
}

/// At most eight printable ASCII characters, the last of them no digit: two prefixes never make one number then.
fn number_prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_right = text.len() <= 8
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.ends_with(|last: char| last.is_ascii_digit());
    match is_right {
        true => Ok(text),
        false => Err(serde::de::Error::custom(format!(
            "`{text}` must be at most 8 printable ASCII characters without blanks, and must not end in a digit"
        ))),
    }
}

/// At most twenty printable ASCII characters, the last of them no digit, so that series never share a number.
fn series_prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let rest = text.replacen("{year}", "", 1);
    let is_right = text.len() <= 20
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"{}".contains(&byte))
        && !text.ends_with(|last: char| last.is_ascii_digit())
        && !text.ends_with("{year}");
    match is_right {
        true => Ok(text),
        false => Err(serde::de::Error::custom(format!(
            "`{text}` must be at most 20 printable ASCII characters without blanks, with one {{year}} at most, and must \
             end in neither that nor a digit"
        ))),
    }
}

fn currency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Currency, D::Error> {
    let code = String::deserialize(deserializer)?;
    code.parse()
        .map_err(|_| serde::de::Error::custom(format!("`{code}` is not an ISO 4217 currency code")))
}

fn currencies<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Currency>, D::Error> {
    let refuse = |code: &String| serde::de::Error::custom(format!("`{code}` is not an ISO 4217 currency code"));
    let codes = Vec::<String>::deserialize(deserializer)?;
    codes
        .iter()
        .map(|code| code.trim().parse().map_err(|_| refuse(code)))
        .collect()
}

fn locale<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Locale, D::Error> {
    tag(&String::deserialize(deserializer)?)
}

fn locales<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Locale>, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| tag(text))
        .collect()
}

fn tag<E: serde::de::Error>(text: &str) -> Result<Locale, E> {
    text.parse()
        .map_err(|_| E::custom(format!("`{text}` is not a BCP 47 language tag such as `de` or `pt-BR`")))
}

fn email<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Email, D::Error> {
    let text = String::deserialize(deserializer)?;
    Email::parse(text.clone()).map_err(|_| serde::de::Error::custom(format!("`{text}` is not an e-mail address")))
}
