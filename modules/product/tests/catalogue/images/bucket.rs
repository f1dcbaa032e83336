//! A server of buckets, as a shop would have one beside it: it checks signatures, and can be gone or overloaded.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kernel::settings::{MediaStore, Settings};
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

const NAME: &str = "images";
const PREFIX: &str = "shop/pictures";
const KEYS: (&str, &str) = ("AKIDEXAMPLE", "wJalrXUtnFEMI");

/// A bucket on a server of its own.
pub(crate) struct Bucket {
    folder: tempfile::TempDir,
    address: SocketAddr,
    /// How many of the next requests are answered as by a server with too much to do.
    overloaded: Arc<AtomicUsize>,
    running: Option<JoinHandle<()>>,
}

impl Bucket {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(NAME)).unwrap();
        let mut bucket = Self {
            folder,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            overloaded: Arc::default(),
            running: None,
        };
        bucket.start().await;
        bucket
    }

    /// Has a shop keep its images here.
    pub(crate) fn be_used(&self, settings: &mut Settings) {
        settings.media.store = MediaStore::S3;
        let s3 = &mut settings.media.s3;
        s3.endpoint = format!("http://{}", self.address);
        (s3.bucket, s3.prefix) = (NAME.to_owned(), PREFIX.to_owned());
        (s3.access_key, s3.secret_key) = (KEYS.0.into(), KEYS.1.into());
    }

    /// The server runs, or runs again with what it had.
    pub(crate) async fn start(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(self.folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(KEYS.0, KEYS.1));
        self.running = Some(tokio::spawn(serve(
            listener,
            service.build(),
            Arc::clone(&self.overloaded),
        )));
    }

    /// The server and its connections are gone from now on.
    pub(crate) async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }

    /// Has the next requests answered as by a server with too much to do.
    pub(crate) fn overload(&self, requests: usize) {
        self.overloaded.store(requests, Ordering::SeqCst);
    }

    /// The names of the files, in their order.
    pub(crate) fn files(&self) -> Vec<String> {
        let folder = self.folder.path().join(NAME).join(PREFIX);
        let mut names = names_in(&folder);
        names.sort_unstable();
        names
    }
}

async fn serve(listener: TcpListener, service: S3Service, overloaded: Arc<AtomicUsize>) {
    let service = Arc::new(service);
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (service, overloaded) = (Arc::clone(&service), Arc::clone(&overloaded));
        let answer = service_fn(move |request: Request<Incoming>| {
            let service = Arc::clone(&service);
            let left = overloaded.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            async move {
                match left {
                    Ok(_) => Ok(too_much_to_do()),
                    Err(_) => service.call(request.map(Body::from)).await,
                }
            }
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

fn too_much_to_do() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}
