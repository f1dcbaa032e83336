//! Where the files of images are: the folder `media` of the data directory, or a bucket. Several processes share it. A file is
//! there as a whole or not at all: on a disk it is written under another name first.

mod bucket;

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::web::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use kernel::Fault;
use kernel::settings::{MediaStore, S3, Settings};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use tokio::sync::OnceCell;

use crate::domain::media::FileName;

/// The files. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Files {
    place: Arc<Place>,
    /// Opened when it is first needed: a process that only tells its routes has no files.
    store: Arc<OnceCell<Box<dyn ObjectStore>>>,
}

/// Where files are.
enum Place {
    /// A folder, which is made when the first one is needed.
    Folder(PathBuf),
    Bucket(S3),
}

/// A file that can be read.
pub(crate) struct File {
    /// In bytes.
    pub(crate) length: u64,
    /// Its content, piece by piece.
    pub(crate) content: BoxStream<'static, Result<Bytes, Error>>,
}

impl Files {
    /// The files of a shop with these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        let place = match settings.media.store {
            MediaStore::Local => Place::Folder(settings.data.dir.join("media")),
            MediaStore::S3 => Place::Bucket(settings.media.s3.clone()),
        };
        Self {
            place: Arc::new(place),
            store: Arc::default(),
        }
    }

    /// Writes a file, or writes it once more.
    pub(crate) async fn write(&self, name: &FileName, content: Vec<u8>) -> Result<(), Fault> {
        let written = self.store().await?.put(&self.at(name), content.into()).await;
        written.map(drop).map_err(failed)
    }

    /// Reads a file; `None` where there is none.
    pub(crate) async fn read(&self, name: &FileName) -> Result<Option<File>, Fault> {
        match self.store().await?.get(&self.at(name)).await {
            Ok(found) => Ok(Some(File {
                length: found.meta.size,
                content: found.into_stream().boxed(),
            })),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes a file, where there is one.
    pub(crate) async fn remove(&self, name: &FileName) -> Result<(), Fault> {
        match self.store().await?.delete(&self.at(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    fn at(&self, name: &FileName) -> Path {
        let prefix = match self.place.as_ref() {
            Place::Folder(_) => "",
            Place::Bucket(bucket) => bucket.prefix.as_str(),
        };
        Path::from(prefix).join(name.to_string())
    }

    async fn store(&self) -> Result<&dyn ObjectStore, Fault> {
        let place = Arc::clone(&self.place);
        let open = async || {
            let opened = tokio::task::spawn_blocking(move || place.open()).await;
            opened.map_err(|error| Fault::internal(error.to_string()))?
        };
        self.store.get_or_try_init(open).await.map(AsRef::as_ref)
    }
}

impl Place {
    fn open(&self) -> Result<Box<dyn ObjectStore>, Fault> {
        match self {
            Self::Folder(folder) => {
                std::fs::create_dir_all(folder).map_err(failed)?;
                let store = LocalFileSystem::new_with_prefix(folder).map_err(failed)?;
                // The database forgets nothing that it has confirmed; neither do we.
                Ok(Box::new(store.with_fsync(true)))
            }
            Self::Bucket(settings) => Ok(Box::new(bucket::open(settings).map_err(failed)?)),
        }
    }
}

fn failed(error: impl Display) -> Fault {
    Fault::unavailable(format!("files of images: {error}"))
}
