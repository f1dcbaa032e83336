//! A gateway with a cache, in front of a module that is made up.

use std::ops::Deref;

use bodega::server::Running;
use bodega::settings::Sources;
use kernel::Clock;
use tempfile::TempDir;

use super::CACHE;
use super::upstream::Upstream;
use crate::support::{Shop, key_settings, keys_folder, runtime, start};

/// A process that is only a gateway; stops when it is dropped.
pub(super) struct Gateway {
    shop: Shop,
    clock: Clock,
    running: Option<Running>,
    _folder: TempDir,
}

impl Gateway {
    pub(super) async fn before(upstream: &Upstream) -> Gateway {
        let folder = keys_folder();
        let mut sources = Sources::default();
        let own = [
            ("run", "gateway"),
            ("server.public", "127.0.0.1:0"),
            ("server.management", "127.0.0.1:0"),
            // Several, because they share what is kept.
            ("server.workers", "2"),
            ("server.drain_delay", "0s"),
            ("server.drain_timeout", "2s"),
            ("limits.enabled", "false"),
            CACHE,
        ];
        for (key, value) in own {
            sources.set(key, value);
        }
        for module in ["user", "product", "cart", "order"] {
            sources.set(&format!("upstream.{module}"), format!("http://{}", upstream.address()));
        }
        sources.set("data.dir", folder.path().display());
        for (key, value) in key_settings(folder.path()) {
            sources.set(&key, value);
        }
        let clock = Clock::adjustable();
        let running = runtime::run(start(sources, clock.clone())).await;
        Gateway {
            shop: Shop::at(vec![running.public().unwrap()], vec![running.management()]),
            clock,
            running: Some(running),
            _folder: folder,
        }
    }

    /// The clock by which answers grow old.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Deref for Gateway {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // Connections that nobody uses any more would have to be waited for.
            self.shop.client = reqwest::Client::new();
            runtime::block_on(running.stop());
        }
    }
}
