//! Consumers: what is repeated, what is parked, what waits.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use database::Failure;
use database::consumer::{Consumer, Digest, parked};
use database::outbox::{self, OutboxFeed};
use diesel::connection::SimpleConnection;
use kernel::event::Event;
use kernel::id::EventId;
use kernel::job::Round;
use kernel::{Clock, Fault};
use serde_json::Value;
use tokio::sync::Notify;

use crate::support::{Database, SCHEMA};

/// What happens to the event of a subject.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    None,
    /// Digesting it fails for good.
    Poison(&'static str),
    /// Whatever it is gathered with fails for good.
    Indigestible(&'static str),
    /// The other side is down when it comes.
    Down(&'static str),
    /// Digesting it never ends.
    Endless(&'static str),
    /// Digesting it takes until the test says so.
    Waiting(&'static str),
    /// Digesting it takes longer than a consumer works without writing down how far it is.
    Slow(&'static str, &'static str),
}

/// Notes the subjects of events, if nothing is in the way.
struct Notes {
    trouble: Trouble,
    digested: Arc<Mutex<Vec<String>>>,
    hangs: Arc<Notify>,
    goes_on: Arc<Notify>,
}

impl Notes {
    async fn hang(&self) {
        self.hangs.notify_one();
        pending().await
    }
}

#[async_trait]
impl Digest for Notes {
    type Needs = ();

    async fn gather(&self, events: &[Event]) -> Result<(), Fault> {
        let is_among = |subject| events.iter().any(|event| event.subject == subject);
        match self.trouble {
            Trouble::Indigestible(subject) if is_among(subject) => Err(Fault::internal("unreadable")),
            _ => Ok(()),
        }
    }

    async fn digest(&self, event: &Event, (): &()) -> Result<(), Fault> {
        let subject = event.subject.as_str();
        match self.trouble {
            Trouble::Poison(poison) if subject == poison => return Err(Fault::internal("poison")),
            Trouble::Down(down) if subject == down => return Err(Fault::unavailable("down")),
            Trouble::Endless(endless) if subject == endless => self.hang().await,
            Trouble::Waiting(waiting) if subject == waiting => {
                self.hangs.notify_one();
                self.goes_on.notified().await;
            }
            Trouble::Slow(slow, endless) => {
                if subject == slow {
                    tokio::time::sleep(Duration::from_millis(150)).await;
                }
                if subject == endless {
                    self.hang().await;
                }
            }
            _ => (),
        }
        self.digested.lock().unwrap().push(subject.to_owned());
        Ok(())
    }
}

/// A consumer of the events `a`, `b`, `c` and `d`.
struct Reader {
    database: Database,
    consumer: Consumer,
    digested: Arc<Mutex<Vec<String>>>,
    hangs: Arc<Notify>,
    goes_on: Arc<Notify>,
}

impl Reader {
    async fn open() -> Self {
        let database = Database::open().await;
        let clock = Clock::system();
        let events = ["a", "b", "c", "d"].map(|subject| Event {
            id: EventId::generate(),
            r#type: "letter".to_owned(),
            subject: subject.to_owned(),
            time: clock.now(),
            data: Value::Null,
            sequence: 0,
        });
        let publish = move |connection: &mut diesel::PgConnection| {
            for event in &events {
                outbox::append(connection, SCHEMA, event)?;
            }
            Ok::<_, Failure<Fault>>(())
        };
        database.db.run(publish).await.unwrap();
        let feed = Arc::new(OutboxFeed::new(database.db.clone(), SCHEMA));
        let consumer = Consumer::new("reader", database.db.clone(), SCHEMA, feed, clock);
        Self {
            database,
            consumer,
            digested: Arc::default(),
            hangs: Arc::default(),
            goes_on: Arc::default(),
        }
    }

    fn notes(&self, trouble: Trouble) -> Notes {
        Notes {
            trouble,
            digested: Arc::clone(&self.digested),
            hangs: Arc::clone(&self.hangs),
            goes_on: Arc::clone(&self.goes_on),
        }
    }

    async fn round(&self, trouble: Trouble) -> Result<Round, Fault> {
        self.consumer.round(&self.notes(trouble)).await
    }

    /// A process that hangs in a round, and dies.
    async fn die_in_round(&self, trouble: Trouble) {
        tokio::select! {
            outcome = self.round(trouble) => panic!("{outcome:?}"),
            () = self.hangs.notified() => (),
        }
    }

    async fn let_lease_run_out(&self) {
        let update = format!("UPDATE {SCHEMA}.consumers SET leased_until = '-infinity'");
        let expire = move |connection: &mut diesel::PgConnection| Ok(connection.batch_execute(&update)?);
        self.database.db.run::<_, Fault, _>(expire).await.unwrap();
    }

    async fn parked(&self) -> usize {
        let count = |connection: &mut diesel::PgConnection| Ok(parked(connection, SCHEMA)?.len());
        self.database.db.run::<_, Fault, _>(count).await.unwrap()
    }

    fn digested(&self) -> String {
        self.digested.lock().unwrap().concat()
    }
}

#[tokio::test]
async fn events_are_digested_once_and_in_their_order() {
    let reader = Reader::open().await;
    assert_eq!(reader.round(Trouble::None).await, Ok(Round::Idle));
    assert_eq!(reader.round(Trouble::None).await, Ok(Round::Idle));
    assert_eq!(reader.digested(), "abcd");
}

#[tokio::test]
async fn a_crash_repeats_the_events_since_the_cursor_was_written() {
    let reader = Reader::open().await;
    reader.die_in_round(Trouble::Slow("b", "d")).await;
    assert_eq!(reader.digested(), "abc");
    reader.let_lease_run_out().await;
    reader.round(Trouble::None).await.unwrap();
    // `b` took so long that it was written down; `c`, right after it, only where the machine is slow.
    let digested = reader.digested();
    assert!(["abccd", "abcd"].contains(&digested.as_str()), "{digested}");
}

#[tokio::test]
async fn while_one_process_is_at_it_no_other_is() {
    let reader = Reader::open().await;
    reader.die_in_round(Trouble::Endless("c")).await;
    assert_eq!(reader.round(Trouble::None).await, Ok(Round::Idle));
    assert_eq!(reader.digested(), "ab");
}

#[tokio::test]
async fn who_was_away_for_too_long_does_not_turn_the_cursor_back() {
    let reader = Reader::open().await;
    let late = reader.round(Trouble::Waiting("a"));
    let meanwhile = async {
        reader.hangs.notified().await;
        reader.let_lease_run_out().await;
        let round = reader.round(Trouble::None).await;
        reader.goes_on.notify_one();
        round
    };
    let (late, meanwhile) = tokio::join!(late, meanwhile);
    assert!(matches!(late, Err(Fault::Unavailable { .. })), "{late:?}");
    assert_eq!(meanwhile, Ok(Round::Idle));
    let again = reader.digested();
    assert!(again.starts_with("abcda"), "{again}");
    reader.round(Trouble::None).await.unwrap();
    assert_eq!(reader.digested(), again, "all was read, and nothing is read again");
}

#[tokio::test]
async fn an_event_that_fails_too_often_is_parked_and_the_others_go_on() {
    let reader = Reader::open().await;
    for _ in 0..4 {
        assert!(reader.round(Trouble::Poison("b")).await.is_err());
        assert_eq!(reader.digested(), "a");
    }
    assert_eq!(reader.round(Trouble::Poison("b")).await, Ok(Round::Idle));
    assert_eq!((reader.digested(), reader.parked().await), ("acd".to_owned(), 1));
}

#[tokio::test]
async fn an_event_that_spoils_the_gathering_is_parked_and_the_others_do_not_suffer() {
    let reader = Reader::open().await;
    for _ in 0..4 {
        assert!(reader.round(Trouble::Indigestible("c")).await.is_err());
        assert_eq!(reader.digested(), "ab");
    }
    assert_eq!(reader.round(Trouble::Indigestible("c")).await, Ok(Round::Idle));
    assert_eq!((reader.digested(), reader.parked().await), ("abd".to_owned(), 1));
}

#[tokio::test]
async fn while_the_other_side_is_down_an_event_waits_and_is_never_parked() {
    let reader = Reader::open().await;
    for _ in 0..7 {
        let round = reader.round(Trouble::Down("b")).await;
        assert!(matches!(round, Err(Fault::Unavailable { .. })), "{round:?}");
    }
    assert_eq!((reader.digested(), reader.parked().await), ("a".to_owned(), 0));
    reader.round(Trouble::None).await.unwrap();
    assert_eq!(reader.digested(), "abcd");
}
