//! A store of several processes of the built binary, over one embedded database that loses nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::addresses::own_address;
use super::process::{end_of, findings, make_admin, make_folder, remove, send, serve};
use super::store::Shop;
use super::{Admin, eventually};

/// The modules, each after those that it calls.
const TIERS: [&str; 5] = ["user", "product", "cart", "order", "gateway"];

/// A store of several processes. Each is called by what it runs and a number: `product-0`.
pub(crate) struct ProcessFleet {
    shop: Shop,
    folder: PathBuf,
    members: BTreeMap<String, Member>,
}

/// One process: where it is stays the same when it is started again.
struct Member {
    settings: Vec<(String, String)>,
    /// Where the others find it.
    internal: SocketAddr,
    /// Where the API is, if it is a gateway.
    public: Option<SocketAddr>,
    management: SocketAddr,
    child: Option<Child>,
}

/// What a fleet is like.
pub(crate) struct FleetPlan {
    /// How many processes there are of user, product, cart, order and gateway.
    pub(crate) copies: [usize; 5],
    /// Settings of all processes.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Where a process finds another instead: who, whom, and the address.
    pub(crate) detours: Vec<(&'static str, &'static str, String)>,
    /// Where each process is reached by the others.
    addresses: BTreeMap<String, SocketAddr>,
}

impl FleetPlan {
    /// A fleet of so many processes of user, product, cart, order and gateway.
    pub(crate) fn of(copies: [usize; 5]) -> FleetPlan {
        let names = names(copies);
        FleetPlan {
            copies,
            settings: Vec::new(),
            detours: Vec::new(),
            addresses: names.into_iter().map(|(name, _)| (name, own_address())).collect(),
        }
    }

    /// Where the other processes will reach `name`.
    pub(crate) fn address_of(&self, name: &str) -> SocketAddr {
        self.addresses[name]
    }

    /// The addresses of all processes of `module`, as the setting of `caller`.
    fn upstream(&self, caller: &str, module: &str) -> String {
        let detour = self
            .detours
            .iter()
            .find(|(who, whom, _)| (*who, *whom) == (caller, module));
        if let Some((_, _, address)) = detour {
            return address.clone();
        }
        let of_module = names(self.copies).into_iter().filter(|(_, run)| *run == module);
        let addresses = of_module.map(|(name, _)| format!("http://{}", self.addresses[&name]));
        addresses.collect::<Vec<_>>().join(",")
    }
}

fn names(copies: [usize; 5]) -> Vec<(String, &'static str)> {
    let tiers = TIERS.into_iter().zip(copies);
    let names = tiers.flat_map(|(run, count)| (0..count).map(move |number| (format!("{run}-{number}"), run)));
    names.collect()
}

impl ProcessFleet {
    /// Starts a fleet, and waits until all of it is ready.
    pub(crate) async fn start(plan: FleetPlan) -> ProcessFleet {
        let folder = make_folder();
        let (mut gateways, mut managements) = (Vec::new(), Vec::new());
        let mut members = BTreeMap::new();
        for (name, run) in names(plan.copies) {
            let (public, management) = (own_address(), own_address());
            let mut settings = vec![
                ("run".to_owned(), run.to_owned()),
                ("server.public".to_owned(), public.to_string()),
                ("server.internal".to_owned(), plan.addresses[&name].to_string()),
                ("server.management".to_owned(), management.to_string()),
                ("server.workers".to_owned(), "1".to_owned()),
                ("server.drain_delay".to_owned(), "0s".to_owned()),
                ("database.connections".to_owned(), "3".to_owned()),
            ];
            let before = TIERS.into_iter().take_while(|tier| *tier != run);
            settings.extend(before.map(|module| (format!("upstream.{module}"), plan.upstream(run, module))));
            if run == "gateway" {
                // It has no database beside which its keys could be found.
                let key = folder.join("keys/service").display().to_string();
                settings.push(("keys.service_file".to_owned(), key));
                gateways.push(public);
            }
            settings.extend(
                plan.settings
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), value.clone())),
            );
            managements.push(management);
            let member = Member {
                settings,
                internal: plan.addresses[&name],
                public: (run == "gateway").then_some(public),
                management,
                child: None,
            };
            members.insert(name, member);
        }
        let shop = Shop::at(gateways, managements);
        let mut fleet = ProcessFleet { shop, folder, members };
        for tier in TIERS {
            fleet.start_again(&fleet.of(tier)).await;
        }
        fleet
    }

    /// The processes that run `module`.
    pub(crate) fn of(&self, module: &str) -> Vec<String> {
        let names = self.members.keys();
        names
            .filter(|name| name.starts_with(&format!("{module}-")))
            .cloned()
            .collect()
    }

    /// Kills a process as a crash does.
    pub(crate) fn kill(&mut self, name: &str) {
        let mut child = self.members.get_mut(name).unwrap().child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a signal to a process.
    pub(crate) fn signal(&self, name: &str, signal: i32) {
        send(self.members[name].child.as_ref().unwrap().id(), signal);
    }

    /// Starts processes where they were before, and waits until they are ready and all others know.
    pub(crate) async fn start_again(&mut self, names: &[String]) {
        let started = names.iter().map(|name| {
            let member = &self.members[name];
            serve(self.folder.clone(), member.settings.clone())
        });
        for ((child, _), name) in join_all(started).await.into_iter().zip(names) {
            self.members.get_mut(name).unwrap().child = Some(child);
        }
        for member in names.iter().map(|name| &self.members[name]) {
            eventually(|| self.readiness(member), |readiness| readiness["ready"] == true).await;
            if let Some(public) = member.public {
                self.shop.put_in(public);
            }
        }
        for caller in self.members.values().filter(|member| member.child.is_some()) {
            for started in names.iter().map(|name| self.members[name].internal) {
                let knows = || async { json!(self.believes_ready(caller, started).await) };
                eventually(knows, |knows| *knows == true).await;
            }
        }
    }

    /// Whether a process that calls the one at `address` believes it to be ready; one that does not call it believes all.
    async fn believes_ready(&self, caller: &Member, address: SocketAddr) -> bool {
        let url = format!("http://{}/metrics", caller.management);
        // A connection that has been idle for a while may be closed just now: who waits asks again.
        let Ok(answer) = self.shop.client.get(url).send().await else {
            return false;
        };
        let metrics = answer.text().await.unwrap();
        let address = format!("address=\"{address}\"");
        let mut told = metrics
            .lines()
            .filter(|line| line.starts_with("gateway_upstream_ready{"));
        told.all(|line| !line.contains(&address) || line.ends_with(" 1"))
    }

    /// Has processes stop in order and waits for their ends. A gateway that says that it is not ready is asked no more, as
    /// a load balancer in front of it would see to.
    pub(crate) async fn stop(&mut self, names: &[String]) -> Vec<ExitStatus> {
        for name in names {
            self.signal(name, libc::SIGTERM);
        }
        for member in names.iter().map(|name| &self.members[name]) {
            if let Some(public) = member.public {
                eventually(|| self.readiness(member), |readiness| readiness["ready"] != true).await;
                self.shop.take_out(public);
            }
        }
        let mut children = Vec::new();
        for name in names {
            children.extend(self.members.get_mut(name).unwrap().child.take());
        }
        let ends = move || children.iter_mut().map(end_of).collect();
        tokio::task::spawn_blocking(ends).await.unwrap()
    }

    /// What a process says of itself; nothing where it does not answer.
    async fn readiness(&self, member: &Member) -> Value {
        let url = format!("http://{}/readyz", member.management);
        match self.shop.client.get(url).send().await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }

    /// What `bodega verify` finds, a line each.
    pub(crate) async fn findings(&self) -> Vec<String> {
        findings(&self.folder).await
    }

    /// An administrator.
    pub(crate) async fn admin(&self) -> Admin {
        Admin::signed_in(&self.shop, &make_admin(&self.folder).await).await
    }
}

impl Deref for ProcessFleet {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl Drop for ProcessFleet {
    fn drop(&mut self) {
        for child in self.members.values_mut().filter_map(|member| member.child.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
        remove(&self.folder);
    }
}
