//! What it costs that the gateway is a process of its own: products from the service itself, through nginx and through the
//! gateway; and what the gateway's cache gives back. The modules run in one process, the service.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kernel::Clock;
use kernel::keys::SecretKey;
use kernel::service_token::{self, ServiceTokens};

use crate::catalogue::Catalogue;
use crate::client::{Connection, request};
use crate::load::{self, Timed};
use crate::processes::time_with_children;
use crate::report::{Aim, Bound, print_aims};
use crate::scenarios::Reader;
use crate::static_route::StaticRoute;
use crate::store::{Home, Store, free_addresses};
use crate::{Outcome, tell};

/// How often nginx is asked whether it is there.
const POLL: Duration = Duration::from_millis(10);
/// How often it is asked at most.
const POLLS: usize = 500;

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hops {
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    name: &'static str,
    /// Per second.
    rate: f64,
    /// Milliseconds within which 99 % of all turns were done.
    slowest: f64,
    /// Microseconds of processor time per turn, of whoever stands in front and of the service.
    front: f64,
    service: f64,
}

const ALONE: &str = "detail, the service itself";
const NGINX: &str = "detail, through nginx";
const GATEWAY: &str = "detail, through the gateway";
const CACHED: &str = "one detail, from the gateway's cache";
const STATIC: &str = "static actix route, same length and workers";

/// Measures each way for `duration`.
pub(crate) async fn measure(home: &Home, duration: Duration) -> Outcome<Hops> {
    tell("the store in two processes");
    let (service, _) = home.start_part(
        "service",
        home.management(),
        &[("run", "user,product,cart,order".to_owned())],
    )?;
    let tokens = tokens_of(home)?;
    let mut hops = Hops::default();
    let token = tokens.token()?;
    let headers = [(service_token::HEADER, token.as_str())];

    let gateway = Front::gateway(home, "gateway", 0)?;
    let catalogue = Catalogue::read(gateway.address).await?;
    let paths = || catalogue.names.iter().map(|name| format!("/api/v1/products/{name}"));
    hops.line(
        ALONE,
        None,
        &service,
        home.internal(),
        duration,
        Reader::with(paths(), &headers),
    )
    .await?;
    if let Some(nginx) = Front::nginx(home, &token)? {
        hops.line(
            NGINX,
            Some(&nginx),
            &service,
            nginx.address,
            duration,
            Reader::of(paths()),
        )
        .await?;
    } else {
        println!("no nginx on this machine: its row is left out");
    }
    hops.line(
        GATEWAY,
        Some(&gateway),
        &service,
        gateway.address,
        duration,
        Reader::of(paths()),
    )
    .await?;
    drop(gateway);

    let caching = Front::gateway(home, "caching-gateway", 32 << 20)?;
    let one = paths().next().ok_or("a catalogue without products")?;
    let mut connection = Connection::open(caching.address).await?;
    let length = connection.exchange(&request("GET", &one, &[], None), 200).await?.len();
    let one = || Reader::of([one.clone()].into_iter());
    hops.line(CACHED, Some(&caching), &service, caching.address, duration, one())
        .await?;
    let static_route = StaticRoute::beside_gateway(length)?;
    tell(STATIC);
    let before = time_with_children(static_route.process())?;
    let timed = static_route.measure(duration).await?;
    hops.lines.push(Line {
        name: STATIC,
        rate: timed.rate(),
        slowest: timed.percentile(0.99),
        front: each_of(&timed, before, time_with_children(static_route.process())?),
        service: 0.0,
    });
    service.stop()?;
    Ok(hops)
}

impl Hops {
    async fn line(
        &mut self,
        name: &'static str,
        front: Option<&Front>,
        service: &Store,
        address: SocketAddr,
        duration: Duration,
        readers: Vec<Reader>,
    ) -> Outcome<()> {
        tell(name);
        let used = || -> Outcome<(Duration, Duration)> {
            let front = front.map_or(Ok(Duration::ZERO), |front| time_with_children(front.process()))?;
            Ok((front, time_with_children(service.process())?))
        };
        let before = used()?;
        let timed = load::run(address, duration, readers).await?;
        let after = used()?;
        self.lines.push(Line {
            name,
            rate: timed.rate(),
            slowest: timed.percentile(0.99),
            front: each_of(&timed, before.0, after.0),
            service: each_of(&timed, before.1, after.1),
        });
        Ok(())
    }

    pub(crate) fn print(&self) {
        println!("\n| hop | /s | p99 ms | front us | service us |\n|---|--:|--:|--:|--:|");
        for line in &self.lines {
            println!(
                "| {} | {:.0} | {:.1} | {:.0} | {:.0} |",
                line.name, line.rate, line.slowest, line.front, line.service
            );
        }
        println!();
        let rate = |name: &str| self.lines.iter().find(|line| line.name == name).map(|line| line.rate);
        let ratio = |one, other| Some(rate(one)? / rate(other)?);
        print_aims(&[
            Aim {
                name: "through the gateway, of through nginx",
                measured: ratio(GATEWAY, NGINX),
                bound: Bound::AtLeast(0.7),
                unit: "",
            },
            Aim {
                name: "from the gateway's cache, of the static route",
                measured: ratio(CACHED, STATIC),
                bound: Bound::AtLeast(0.8),
                unit: "",
            },
        ]);
    }
}

/// Microseconds of processor time per turn.
fn each_of(timed: &Timed, before: Duration, after: Duration) -> f64 {
    after.saturating_sub(before).as_secs_f64() * 1e6 / timed.turns as f64
}

/// The tokens by which the processes of this store know each other.
fn tokens_of(home: &Home) -> Outcome<ServiceTokens> {
    let key = SecretKey::parse(&fs::read_to_string(home.path().join("keys/service"))?)?;
    Ok(ServiceTokens::new("bench", &key, Clock::system()))
}

/// What stands in front of the service; stopped when dropped.
struct Front {
    address: SocketAddr,
    process: Process,
}

enum Process {
    Gateway(Store),
    Nginx(Child),
}

impl Front {
    /// The gateway, with a cache of so many bytes.
    fn gateway(home: &Home, name: &str, cache_bytes: usize) -> Outcome<Self> {
        let [public, management] = free_addresses()?;
        let service = format!("http://{}", home.internal());
        let mut settings = vec![
            ("run", "gateway".to_owned()),
            ("server.public", public.to_string()),
            (
                "keys.service_file",
                home.path().join("keys/service").display().to_string(),
            ),
            ("gateway.cache_bytes", cache_bytes.to_string()),
        ];
        let modules = ["upstream.user", "upstream.product", "upstream.cart", "upstream.order"];
        settings.extend(modules.map(|module| (module, service.clone())));
        let (store, _) = home.start_part(name, management, &settings)?;
        Ok(Self {
            address: public,
            process: Process::Gateway(store),
        })
    }

    /// nginx as Debian has it, with kept connections to the service; `None` where it is not there.
    fn nginx(home: &Home, token: &str) -> Outcome<Option<Self>> {
        let Some(program) = program() else { return Ok(None) };
        let [address] = free_addresses()?;
        let folder = home.path().join("nginx");
        fs::create_dir_all(&folder)?;
        let configuration = folder.join("nginx.conf");
        fs::write(
            &configuration,
            nginx_configuration(&folder, address, home.internal(), token)?,
        )?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&configuration)
            .stderr(Stdio::null())
            .spawn()?;
        let front = Self {
            address,
            process: Process::Nginx(child),
        };
        for _ in 0..POLLS {
            if std::net::TcpStream::connect(address).is_ok() {
                return Ok(Some(front));
            }
            std::thread::sleep(POLL);
        }
        Err("nginx does not start".into())
    }

    fn process(&self) -> u32 {
        match &self.process {
            Process::Gateway(store) => store.process(),
            Process::Nginx(child) => child.id(),
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Process::Nginx(child) = &mut self.process {
            crate::store::terminate(child);
            // It fails only where it has ended already.
            let _ = child.wait();
        }
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join("nginx"))
        .find(|program| program.is_file())
}

/// One worker per core, an access log like the gateway's, and connections to the service that are kept.
fn nginx_configuration(folder: &Path, address: SocketAddr, service: SocketAddr, token: &str) -> Outcome<String> {
    let (folder, workers) = (folder.display(), std::thread::available_parallelism()?);
    Ok(format!(
        "daemon off;
worker_processes {workers};
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream service {{ server {service}; keepalive 128; }}
    server {{
        listen {address};
        keepalive_requests 100000000;
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header Service-Token {token};
        }}
    }}
}}
"
    ))
}
