//! How mails leave the house: over SMTP, or as files where no server is configured.

use std::io;
use std::path::{Path, PathBuf};

use kernel::Fault;
use kernel::event::Event;
use kernel::settings::Settings;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;

/// Sends mails, or files them where no server is configured.
pub(super) struct Mailer {
    from: Mailbox,
    way: Way,
}

enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Files(PathBuf),
}

/// A mail, but for who sends it.
#[derive(Clone, Debug, Default)]
pub(super) struct Letter {
    pub(super) to: String,
    /// One line.
    pub(super) subject: String,
    pub(super) text: String,
    /// The same for who would rather look at it.
    pub(super) html: Option<String>,
    pub(super) attachment: Option<AttachedFile>,
}

/// A file in PDF that goes with a mail.
#[derive(Clone, Debug)]
pub(super) struct AttachedFile {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

impl Mailer {
    /// The mailer of a shop: SMTP where `mail.smtp_url` says so, else `.eml` files in `mail/` of the data directory.
    pub(super) fn new(settings: &Settings) -> Result<Self, Fault> {
        let url = settings.mail.smtp_url.expose_secret();
        let way = if url.is_empty() {
            Way::Files(settings.data.dir.join("mail"))
        } else {
            let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
            Way::Smtp(
                transport
                    .map_err(|error| Fault::internal(format!("mail.smtp_url: {error}")))?
                    .build(),
            )
        };
        let address = settings.mail.from.as_str().parse();
        let address = address.map_err(|error| Fault::internal(format!("mail.from: {error}")))?;
        Ok(Self {
            from: Mailbox::new(Some(settings.shop.name.clone()), address),
            way,
        })
    }

    /// Sends `letter` about `event`, whose id is the mail's: by it a mail program recognises a repeat.
    pub(super) async fn send(&self, event: &Event, letter: Letter) -> Result<(), Fault> {
        let to: Mailbox = letter
            .to
            .parse()
            .map_err(|_| Fault::internal("the order's address is no mailbox"))?;
        let message = Message::builder()
            .message_id(Some(format!("<{}@bodega>", event.id)))
            .from(self.from.clone())
            .to(to)
            .subject(letter.subject.clone())
            .multipart(body(letter)?)
            .map_err(|error| Fault::internal(format!("mail: {error}")))?;
        match &self.way {
            Way::Smtp(transport) => {
                transport
                    .send(message)
                    .await
                    .map(drop)
                    .map_err(|error| match error.is_permanent() {
                        // Another try would be refused again: the event is parked after a few.
                        true => Fault::internal(format!("mail: {error}")),
                        false => Fault::unavailable(format!("mail: {error}")),
                    })
            }
            Way::Files(directory) => {
                let (directory, name) = (directory.clone(), format!("{}.eml", event.id));
                let write = move || file(&directory, &name, &message.formatted());
                let written = tokio::task::spawn_blocking(write)
                    .await
                    .map_err(|error| Fault::internal(error.to_string()))?;
                written.map_err(|error| Fault::unavailable(format!("mail: {error}")))
            }
        }
    }
}

/// Text and HTML side by side, and the file beside both.
fn body(letter: Letter) -> Result<MultiPart, Fault> {
    let told = match letter.html {
        Some(html) => MultiPart::alternative_plain_html(letter.text, html),
        None => MultiPart::alternative().singlepart(SinglePart::plain(letter.text)),
    };
    let Some(file) = letter.attachment else {
        return Ok(told);
    };
    let pdf = ContentType::parse("application/pdf").map_err(|error| Fault::internal(format!("mail: {error}")))?;
    let attached = Attachment::new(file.name).body(file.content, pdf);
    Ok(MultiPart::mixed().multipart(told).singlepart(attached))
}

/// Written under another name first, so that whoever looks finds whole mails only; a repeat takes its place.
fn file(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let unfinished = directory.join(format!("{name}.unfinished"));
    match std::fs::write(&unfinished, content) {
        // The first mail makes the directory.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(directory)?;
            std::fs::write(&unfinished, content)?;
        }
        written => written?,
    }
    std::fs::rename(unfinished, directory.join(name))
}
