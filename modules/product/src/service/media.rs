//! Images that staff upload, and their files.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use database::{Failure, OrRefuse, refuse};
use diesel::{PgConnection, QueryResult};
use futures_util::future::try_join_all;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::{ProductId, UserId};
use kernel::job::{Job, Round, Wake};
use kernel::settings::Settings;
use kernel::{Fault, FieldErrors, Problem, Text};
use product_api::ProductError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::Service;
use super::editing::{lock, read, save};
use crate::domain::SCHEMA;
use crate::domain::image::{Image, ImageUrl};
use crate::domain::listing::Listing;
use crate::domain::media::FileName;
use crate::domain::product::AdminProduct;
use crate::files::{File, Files};
use crate::picture::{self, Picture, PictureError};
use crate::queries::media;

/// How many images are made at a time. One takes up to half a gigabyte and a core.
const AT_WORK: usize = 2;
/// How many uploads there may be at a time, each with its file in memory.
const UPLOADS: usize = 10;
/// How long an upload waits for its turn. The gateway gives it ten seconds in all.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the files of an image may take to be written.
const LONGEST_WRITING: Duration = Duration::from_secs(5);
/// How long an image is kept that no product shows.
const RETENTION: TimeDelta = TimeDelta::days(1);
/// How often images are looked for that can go, and how many go at a time.
const REMOVAL: (Duration, i64) = (Duration::from_secs(600), 100);
/// How long the removal of one image's files may take: within what a transaction may pause.
const LONGEST_REMOVAL: Duration = Duration::from_secs(5);

/// What uploads share.
#[derive(Clone)]
pub(super) struct Media {
    files: Files,
    /// The largest file that is taken, in bytes.
    largest: usize,
    /// One per upload, from before its body is read.
    places: Arc<Semaphore>,
    /// One per image that is being made.
    permits: Arc<Semaphore>,
}

/// An image that staff send.
pub(crate) struct NewImage {
    pub(crate) product: ProductId,
    pub(crate) condition: IfMatch,
    pub(crate) alt: Option<Text<0, 500>>,
    pub(crate) content: Vec<u8>,
}

/// Why an upload is refused or fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// The image is no good.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The product cannot have it.
    #[error(transparent)]
    Product(#[from] ProductError),
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Picture(error) => error.into(),
            UploadError::Product(error) => error.into(),
        }
    }
}

impl Media {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            files: Files::new(settings),
            largest: settings.media.image_bytes,
            places: Arc::new(Semaphore::new(UPLOADS)),
            permits: Arc::new(Semaphore::new(AT_WORK)),
        }
    }

    /// Makes a picture when it is its turn. The permit goes with the work: a client that hangs up makes no room for another
    /// before its own has ended.
    async fn make(&self, content: Vec<u8>) -> Result<Picture, PictureError> {
        let turn = timeout(PATIENCE, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = turn else {
            return Err(busy().into());
        };
        aside(move || {
            let made = picture::make(&content);
            drop(permit);
            made
        })
        .await?
    }
}

/// Does work that takes seconds of a core on a thread of its own: those of the runtime are few, and read files, write them
/// and look at passwords. Whoever calls this bounds how many there are.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    let (done, result) = oneshot::channel();
    let spawned = std::thread::Builder::new().name("picture".to_owned()).spawn(move || {
        // Nobody waits any more where a client has hung up.
        let _ = done.send(work());
    });
    spawned.map_err(|error| Fault::unavailable(format!("no thread for an image: {error}")))?;
    result
        .await
        .map_err(|_| Fault::internal("the thread that makes an image has panicked"))
}

impl Service {
    /// The largest image that is taken, in bytes.
    pub(crate) fn largest_image(&self) -> usize {
        self.media.largest
    }

    /// A place for one upload, to be had before its body is read and held until its end; 503 where there is none.
    pub(crate) fn upload_place(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let place = Arc::clone(&self.media.places).try_acquire_owned();
        place.map_err(|_| busy())
    }

    /// Adds an image to a product, as its last one. An image that the product has already stays where it is.
    pub(crate) async fn create_image(
        &self,
        new: NewImage,
        call: Option<Call>,
        actor: UserId,
    ) -> Result<Answer<AdminProduct>, UploadError> {
        let stamp = self.stamp(actor);
        let (product, condition, alt) = (new.product, new.condition, new.alt);
        if let Err(refusal) = self.may_be_edited(product, condition.clone()).await {
            // Under its key there may be an answer of before.
            let refused = self
                .db
                .once(SCHEMA, call, 201, stamp.now, move |_| refuse(refusal))
                .await;
            return Ok(refused?);
        }
        let picture = self.media.make(new.content).await?;
        let name = picture.name.clone();
        self.store_picture(picture).await?;
        let now = stamp.now;
        let work = move |connection: &mut PgConnection| {
            let before = lock(connection, product.uuid(), &condition)?;
            let mut listing = before.listing.clone();
            let url = ImageUrl::of_file(&name);
            match listing.images.iter_mut().find(|image| image.url == url) {
                Some(known) => known.alt = alt.or(known.alt.take()),
                None => listing.images.push(Image { url, alt }),
            }
            listing.check().map_err(ProductError::Invalid).or_refuse()?;
            save(connection, Some(before), listing, &stamp)?;
            read(connection, product.uuid(), now)
        };
        let answer = self.db.once(SCHEMA, call, 201, now, work).await?;
        self.show(vec![product.uuid()]).await;
        Ok(answer)
    }

    /// A file by its name.
    pub(crate) async fn find_file(&self, name: &FileName) -> Result<File, ProductError> {
        let found = self.media.files.read(name).await?;
        found.ok_or_else(|| ProductError::NotFound("file".to_owned()))
    }

    /// The job that removes the files of images that no product shows any more.
    pub(crate) fn media_job(&self) -> Job {
        let service = self.clone();
        Job::new("media", REMOVAL.0, Wake::default(), move || {
            let service = service.clone();
            async move { service.remove_images().await }
        })
    }

    /// Refuses at once what would be refused after all the work.
    async fn may_be_edited(&self, product: ProductId, condition: IfMatch) -> Result<(), ProductError> {
        let product = self.find_admin(product).await?;
        match condition.allows(product.version) {
            true => Ok(()),
            false => Err(ProductError::VersionMismatch(product.version)),
        }
    }

    /// Writes the files of an image that nobody may remove from now on.
    async fn store_picture(&self, picture: Picture) -> Result<(), ProductError> {
        let (name, now) = (picture.name.to_string(), self.clock.now());
        let keep =
            move |connection: &mut PgConnection| Ok::<_, Failure<ProductError>>(media::keep(connection, &name, now)?);
        self.db.run(keep).await?;
        let writes = picture.files.into_iter();
        let writes = writes.map(|(name, content)| async move { self.media.files.write(&name, content).await });
        let written = timeout(LONGEST_WRITING, try_join_all(writes)).await;
        let written = written.map_err(|_| Fault::unavailable("files of images: writing them takes too long"));
        Ok(written?.map(drop)?)
    }

    async fn remove_images(&self) -> Result<Round, Fault> {
        let (before, limit) = (self.clock.now() - RETENTION, REMOVAL.1);
        let doom =
            move |connection: &mut PgConnection| Ok::<_, Failure<Fault>>(media::doom(connection, before, limit)?);
        let doomed = self.db.transaction(doom).await?;
        let mut removed = 0;
        for name in doomed {
            removed += i64::from(self.remove_image(name).await?);
        }
        Ok(match removed == limit {
            true => Round::More,
            false => Round::Idle,
        })
    }

    /// Removes the files of an image while its row is held: whoever uploads it anew at this moment waits, and then writes them
    /// again.
    async fn remove_image(&self, name: String) -> Result<bool, Fault> {
        let (files, runtime) = (self.media.files.clone(), tokio::runtime::Handle::current());
        let work = move |connection: &mut PgConnection| {
            if !media::seize(connection, &name)? {
                return Ok(false);
            }
            let remove = async {
                let full = FileName::parse(&name);
                for file in full.iter().flat_map(FileName::sizes).chain(full.clone()) {
                    files.remove(&file).await?;
                }
                Ok(())
            };
            // The pool's threads are none of the runtime's.
            let removed = runtime.block_on(async { timeout(LONGEST_REMOVAL, remove).await });
            let slow = |_| Fault::unavailable("files of images: their removal takes too long");
            removed.map_err(slow).and_then(|removed| removed).or_refuse()?;
            media::remove(connection, &name)?;
            Ok(true)
        };
        self.db.transaction(work).await
    }
}

/// Holds the images that products begin or cease to refer to: of each product those before and those after. Answers which
/// of all of them have files.
pub(super) fn known_images(
    connection: &mut PgConnection,
    changes: &[(BTreeSet<String>, BTreeSet<String>)],
    now: DateTime<Utc>,
) -> QueryResult<BTreeSet<String>> {
    let changed = changes
        .iter()
        .flat_map(|(before, after)| before.symmetric_difference(after));
    let changed: BTreeSet<&String> = changed.collect();
    let held = media::hold(connection, changed.into_iter().cloned().collect(), now)?;
    // What a product that is locked refers to has files for as long as it does.
    let shown = changes.iter().flat_map(|(before, _)| before.iter().cloned());
    Ok(shown.chain(held).collect())
}

/// What is wrong with the images of a product of which those in `known` have files.
pub(super) fn unknown_images(listing: &Listing, known: &BTreeSet<String>) -> FieldErrors {
    let mut errors = FieldErrors::new();
    for (index, image) in listing.images.iter().enumerate() {
        let name = image.url.file().map(|file| file.to_string());
        if name.is_some_and(|name| !known.contains(&name)) {
            let detail = "there is no such image in this shop; upload it first";
            errors.add(format!("/images/{index}/url"), "unknown_image", detail);
        }
    }
    errors
}

fn busy() -> Fault {
    Fault::unavailable("too many images are being uploaded")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn images_are_made_while_all_threads_for_blocking_work_are_taken() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let (leave, left) = mpsc::channel::<()>();
        let taken = runtime.spawn_blocking(move || left.recv().is_err());
        let media = Media::new(&toml::from_str(include_str!("../../../../config/default.toml")).unwrap());
        let made = runtime.block_on(async { timeout(PATIENCE, media.make(b"no image".to_vec())).await });
        assert_eq!(made.unwrap().unwrap_err(), PictureError::Unsupported);
        assert_eq!(media.permits.available_permits(), AT_WORK);
        drop(leave);
        assert!(runtime.block_on(taken).unwrap());
    }

    #[actix_web::test]
    async fn a_panic_at_an_image_is_a_fault() {
        let failed: Result<(), Fault> = aside(|| panic!("met what it cannot read")).await;
        assert!(matches!(failed, Err(Fault::Internal { .. })), "{failed:?}");
    }
}
