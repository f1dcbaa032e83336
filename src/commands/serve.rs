//! `bodega serve`: the store itself.

use std::net::SocketAddr;
use std::process::ExitCode;

use kernel::Clock;
use kernel::settings::Settings;

use crate::modules::{Site, StartError};
use crate::server::{self, Running, Signals};

/// Serves until told to stop.
///
/// # Errors
///
/// Why the store cannot start, or had to stop.
pub async fn run(settings: Settings, demo: bool) -> Result<ExitCode, StartError> {
    let signals = Signals::hear()?;
    let site = Site::open(settings, Clock::system()).await?;
    if demo {
        site.prepare_for_command().await?;
        if site.import_demo().await? {
            tracing::info!("the demo catalogue is in");
        }
    }
    let running = server::start(site).await?;
    let shown = |address: Option<SocketAddr>| address.map(tracing::field::display);
    tracing::info!(
        run = running.site().context().settings.run.join(","),
        public = shown(running.public()),
        internal = shown(running.internal()),
        management = %running.management(),
        "serving"
    );
    // Where the gateway runs elsewhere, it says what there is to try.
    if let Some(public) = running.public().filter(|_| demo) {
        println!("{}", welcome(&running, public));
    }
    running.run(signals).await?;
    Ok(ExitCode::SUCCESS)
}

/// Where things are, and what to try first.
fn welcome(running: &Running, public: SocketAddr) -> String {
    let base = address_for_people(public);
    let management = address_for_people(running.management());
    let data = running.site().data_dir();
    let data = data.display();
    format!(
        "
  The store is open, in demo mode: the sandbox takes payments without money.

    API         {base}/api/v1
    Docs        {base}/docs
    Health      {management}/readyz
    Data        {data}

  Three things to try:

    curl '{base}/api/v1/products?limit=3'
    curl '{base}/api/v1/products?q=shirt&facets=brand'
    curl -X POST {base}/api/v1/carts -H 'Content-Type: application/json' -d '{{}}'

  Nobody has an account yet. For one that may do everything:

    bodega --data-dir {data} user create-admin you@example.com --generate
"
    )
}

/// An address that can be clicked: one that stands for all is reached as localhost.
fn address_for_people(address: SocketAddr) -> String {
    match address.ip().is_unspecified() || address.ip().is_loopback() {
        true => format!("http://localhost:{}", address.port()),
        false => format!("http://{address}"),
    }
}
