//! The processes of a store, as sites in this one: all in one, each module by itself, or several of some.

use std::net::SocketAddr;

use bodega::modules::{COMPILED, Site};
use bodega::server::{self, Running};
use bodega::settings::{self, Sources};
use kernel::Clock;

/// Names the topology of all stores of a test process.
const VARIABLE: &str = "BODEGA_TEST_TOPOLOGY";

/// How the modules of a store are spread over processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One process with everything.
    One,
    /// Five: the gateway and each module by itself.
    Five,
    /// Two gateways, two processes each of product and order, one each of user and cart, all on one database.
    Replicated,
}

impl Topology {
    /// What the environment says.
    pub(crate) fn chosen() -> Topology {
        match std::env::var(VARIABLE).as_deref() {
            Err(_) | Ok("" | "one") => Topology::One,
            Ok("five") => Topology::Five,
            Ok("replicated") => Topology::Replicated,
            Ok(other) => panic!("{VARIABLE} is one, five or replicated, not {other}"),
        }
    }

    /// What each process runs, and how many of it there are: each after those that it calls, so that their addresses are
    /// known when it starts.
    fn tiers(self) -> Vec<(&'static str, usize)> {
        let copies = if self == Topology::Replicated { 2 } else { 1 };
        match self {
            Topology::One => vec![("gateway,user,product,cart,order", 1)],
            Topology::Five | Topology::Replicated => vec![
                ("user", 1),
                ("product", copies),
                ("cart", 1),
                ("order", copies),
                ("gateway", copies),
            ],
        }
    }
}

/// The processes of one store, in the order in which they were started.
pub(crate) struct Fleet(Vec<Running>);

impl Fleet {
    /// Starts the processes of `topology` with the settings in `sources`; those that name what runs choose for themselves,
    /// and are the settings of one process.
    pub(crate) async fn start(topology: Topology, sources: Sources, clock: Clock) -> Fleet {
        let chooses = sources.flags.iter().any(|(key, _)| key == "run");
        if chooses {
            return Fleet(vec![start(sources, clock).await]);
        }
        let mut running = Vec::new();
        let mut upstreams: Vec<(String, String)> = Vec::new();
        for (run, copies) in topology.tiers() {
            let mut addresses = Vec::new();
            for _ in 0..copies {
                let mut sources = sources.clone();
                sources.set("run", run);
                for (key, value) in &upstreams {
                    sources.set(key, value);
                }
                let process = start(sources, clock.clone()).await;
                addresses.extend(process.internal().map(|address| format!("http://{address}")));
                running.push(process);
            }
            upstreams.push((format!("upstream.{run}"), addresses.join(",")));
        }
        Fleet(running)
    }

    /// Where the gateways are.
    pub(crate) fn gateways(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(Running::public).collect()
    }

    /// Where each process says how it does.
    pub(crate) fn managements(&self) -> Vec<SocketAddr> {
        self.0.iter().map(Running::management).collect()
    }

    /// Where the other processes reach one that runs `module`.
    pub(crate) fn internal_of(&self, module: &str) -> SocketAddr {
        let mut running = self.0.iter().filter(|process| process.site().runs(module));
        running.find_map(Running::internal).unwrap()
    }

    /// A process that runs `module`.
    pub(crate) fn site_of(&self, module: &str) -> &Site {
        let mut sites = self.0.iter().map(Running::site);
        sites.find(|site| site.runs(module)).unwrap()
    }

    /// A process that runs `module`, which is part of the fleet no more.
    pub(crate) fn take(&mut self, module: &str) -> Running {
        let position = self.0.iter().position(|process| process.site().runs(module));
        self.0.remove(position.unwrap())
    }

    /// What `bodega verify` finds in all modules, a line each.
    pub(crate) async fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        let mut verified = Vec::new();
        for site in self.0.iter().map(Running::site) {
            let modules = &site.context().settings.run;
            // Another process of the same modules has the same books.
            if verified.contains(&modules) {
                continue;
            }
            verified.push(modules);
            let found = site.verify().await.unwrap();
            findings.extend(found.iter().map(|(module, finding)| format!("{module}: {finding:?}")));
        }
        findings
    }

    /// Stops the processes: each before those that it calls, so that it finishes what it has begun.
    pub(crate) async fn stop(self) {
        for process in self.0.into_iter().rev() {
            process.stop().await;
        }
    }
}

/// One process.
pub(crate) async fn start(sources: Sources, clock: Clock) -> Running {
    let settings = settings::load(&sources, COMPILED).unwrap().settings;
    let site = Site::open(settings, clock).await.unwrap();
    server::start(site).await.unwrap()
}
