//! Where the files of images are: the folder `media` of the data directory. Several processes share it; a file is written
//! under another name first, so that nobody sees a part of it.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use actix_web::web::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use kernel::Fault;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};
use tokio::sync::OnceCell;

use crate::domain::media::FileName;

/// The files. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Files {
    folder: Arc<FilePath>,
    /// Opened when it is first needed: a process that only tells its routes has no folder.
    store: Arc<OnceCell<LocalFileSystem>>,
}

/// A file that can be read.
pub(crate) struct File {
    /// In bytes.
    pub(crate) length: u64,
    /// Its content, piece by piece.
    pub(crate) content: BoxStream<'static, Result<Bytes, Error>>,
}

impl Files {
    /// The files in `folder`, which is made when the first one is needed.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder: folder.into(),
            store: Arc::default(),
        }
    }

    /// Writes a file, or writes it once more.
    pub(crate) async fn write(&self, name: &FileName, content: Vec<u8>) -> Result<(), Fault> {
        let written = self.store().await?.put(&at(name), content.into()).await;
        written.map(drop).map_err(|error| failed(&error))
    }

    /// Reads a file; `None` where there is none.
    pub(crate) async fn read(&self, name: &FileName) -> Result<Option<File>, Fault> {
        match self.store().await?.get(&at(name)).await {
            Ok(found) => Ok(Some(File {
                length: found.meta.size,
                content: found.into_stream().boxed(),
            })),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Removes a file, where there is one.
    pub(crate) async fn remove(&self, name: &FileName) -> Result<(), Fault> {
        match self.store().await?.delete(&at(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn store(&self) -> Result<&LocalFileSystem, Fault> {
        let folder = Arc::clone(&self.folder);
        let open = async || {
            let open = move || {
                std::fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
                let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| failed(&error))?;
                // The database forgets nothing that it has confirmed; neither do we.
                Ok(store.with_fsync(true))
            };
            tokio::task::spawn_blocking(open)
                .await
                .map_err(|error| Fault::internal(error.to_string()))?
        };
        self.store.get_or_try_init(open).await
    }
}

fn at(name: &FileName) -> Path {
    Path::from(name.to_string())
}

fn failed(error: &dyn std::fmt::Display) -> Fault {
    Fault::unavailable(format!("files of images: {error}"))
}
