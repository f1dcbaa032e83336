//! Single connections: how they are made and what is asked of a server before the shop trusts it.

use std::ffi::{CStr, CString};
use std::ptr;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use kernel::Fault;
use secrecy::{ExposeSecret, SecretString};

/// Limits that every session of ours sets for itself.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest statement.
    pub statement: Duration,
    /// The longest wait for a row lock.
    pub lock: Duration,
    /// The longest pause within a transaction.
    pub idle_in_transaction: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            statement: Duration::from_secs(5),
            lock: Duration::from_secs(2),
            idle_in_transaction: Duration::from_secs(10),
        }
    }
}

/// Opens a connection and sets its limits.
pub fn connect(url: &SecretString, limits: &Limits) -> ConnectionResult<PgConnection> {
    let address = with_network_limits(url.expose_secret()).map_err(ConnectionError::BadConnection)?;
    let mut connection = PgConnection::establish(&address)?;
    // PostgreSQL would plan statements with array parameters anew each time, because it hopes for short arrays; planning
    // a statement of several steps costs more than carrying it out.
    let settings = format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
         SET timezone = 'UTC'; SET client_min_messages = 'warning'; SET plan_cache_mode = 'force_generic_plan'",
        limits.statement.as_millis(),
        limits.lock.as_millis(),
        limits.idle_in_transaction.as_millis()
    );
    connection
        .batch_execute(&settings)
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// Refuses an address that would send passwords and orders in plain text to another host without anybody having said
/// so: a libpq without TLS does that silently under its default `sslmode=prefer`.
pub fn check_transport(url: &SecretString) -> Result<(), String> {
    let parameters = conninfo(url.expose_secret())?;
    let value = |name: &str| {
        parameters
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    };
    let hosts = [value("host"), value("hostaddr")].join(",");
    let local =
        |host: &str| host.is_empty() || host.starts_with('/') || matches!(host, "localhost" | "127.0.0.1" | "::1");
    let remote = hosts.split(',').find(|host| !local(host));
    let mode = value("sslmode");
    match remote {
        None => Ok(()),
        Some(_) if mode == "disable" => Ok(()),
        Some(_) if cfg!(feature = "tls-libpq") && matches!(mode, "require" | "verify-ca" | "verify-full") => Ok(()),
        Some(host) if cfg!(feature = "tls-libpq") => Err(format!(
            "database.url: say how to reach {host}: add sslmode=verify-full (encrypted) or sslmode=disable (plain text)"
        )),
        Some(host) => Err(format!(
            "database.url: this build has no TLS to PostgreSQL and {host} is another host: build with the feature \
             tls-libpq, or accept plain text with sslmode=disable"
        )),
    }
}

/// Refuses a server that may lose commits it has acknowledged.
pub fn check_durability(connection: &mut PgConnection) -> Result<(), Fault> {
    for (setting, good) in [("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "")] {
        let value: String = diesel::select(current_setting(setting))
            .get_result(connection)
            .map_err(|error| crate::failure::fault_of(&error))?;
        let safe = if good.is_empty() { value != "off" } else { value == good };
        if !safe {
            return Err(Fault::internal(format!(
                "the PostgreSQL server runs with {setting} = {value} and may lose orders; switch it on, or set \
                 database.allow_unsafe_durability = true where nothing matters"
            )));
        }
    }
    Ok(())
}

diesel::define_sql_function! {
    /// PostgreSQL's own.
    fn current_setting(name: Text) -> Text;
}

/// The address, with limits for a network that swallows packets where it does not set its own: without them a session
/// whose server has vanished hangs for as long as the kernel likes.
fn with_network_limits(url: &str) -> Result<String, String> {
    const LIMITS: [(&str, &str); 4] = [
        ("connect_timeout", "5"),
        ("tcp_user_timeout", "10000"),
        ("keepalives_idle", "5"),
        ("keepalives_interval", "5"),
    ];
    let present = conninfo(url)?;
    let is_uri = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let mut address = url.to_owned();
    for (name, value) in LIMITS
        .iter()
        .filter(|(name, _)| !present.iter().any(|(key, _)| key == name))
    {
        let separator = match is_uri {
            true if address.contains('?') => '&',
            true => '?',
            false => ' ',
        };
        address.push_str(&format!("{separator}{name}={value}"));
    }
    Ok(address)
}

/// The parameters of a connection string, as libpq itself understands it (URI or key/value form).
fn conninfo(url: &str) -> Result<Vec<(String, String)>, String> {
    let text = CString::new(url).map_err(|_| "database.url holds a NUL character".to_owned())?;
    let mut message = ptr::null_mut();
    #[expect(
        unsafe_code,
        reason = "libpq's parser has no safe wrapper; its result is copied and freed at once"
    )]
    // SAFETY: `text` is a valid C string that outlives the call, `message` a valid place for an error; libpq returns an
    // array that ends with a null keyword, or null and a message. Both are freed exactly once.
    unsafe {
        let options = pq_sys::PQconninfoParse(text.as_ptr(), &mut message);
        if options.is_null() {
            let detail = match message.is_null() {
                true => "out of memory".to_owned(),
                false => CStr::from_ptr(message).to_string_lossy().trim().to_owned(),
            };
            pq_sys::PQfreemem(message.cast());
            return Err(format!("database.url cannot be read: {detail}"));
        }
        let mut parameters = Vec::new();
        let mut option = options;
        while !(*option).keyword.is_null() {
            if !(*option).val.is_null() {
                let text = |pointer| CStr::from_ptr(pointer).to_string_lossy().into_owned();
                parameters.push((text((*option).keyword), text((*option).val)));
            }
            option = option.add(1);
        }
        pq_sys::PQconninfoFree(options);
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<(), String> {
        check_transport(&SecretString::from(url))
    }

    #[test]
    fn local_addresses_need_no_encryption() {
        for url in [
            "postgres:///shop?host=/run/postgresql",
            "postgres://u:p@localhost/shop",
            "postgres://127.0.0.1:5433/shop",
            "dbname=shop",
            "host=/tmp dbname=shop",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn an_address_gets_limits_for_the_network_that_it_does_not_set_itself() {
        let uri = with_network_limits("postgres://u@db.example/shop?connect_timeout=2").unwrap();
        assert!(uri.contains("connect_timeout=2&tcp_user_timeout=10000"), "{uri}");
        let pairs = with_network_limits("host=db.example dbname=shop").unwrap();
        assert!(
            pairs.ends_with("connect_timeout=5 tcp_user_timeout=10000 keepalives_idle=5 keepalives_interval=5"),
            "{pairs}"
        );
        assert!(conninfo(&pairs).is_ok() && conninfo(&uri).is_ok());
    }

    #[test]
    fn plain_text_to_another_host_must_be_asked_for() {
        for url in [
            "postgres://u:p@db.example/shop",
            "host=10.0.0.5 dbname=shop",
            "postgres://u@localhost,db.example/shop",
            "postgres://u@db.example/shop?sslmode=prefer",
        ] {
            assert!(check(url).is_err(), "{url}");
            let explicit = if url.starts_with("postgres") {
                format!("{url}{}sslmode=disable", if url.contains('?') { "&" } else { "?" })
            } else {
                format!("{url} sslmode=disable")
            };
            if !url.contains("prefer") {
                assert_eq!(check(&explicit), Ok(()), "{explicit}");
            }
        }
        assert!(check("postgres://u:secret@db.example:port/shop").is_err_and(|message| !message.contains("secret")));
    }
}
