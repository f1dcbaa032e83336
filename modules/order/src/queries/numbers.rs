//! The numbers of orders. What one of them may be is decided by the unique index over all of them, whichever way they were
//! made, so that a shop can change its mind.

use std::collections::HashMap;

use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::Text;
use kernel::keys::random_bytes;
use kernel::settings::OrderNumbers;
use uuid::Uuid;

use super::SCHEMA;

/// The smallest and the number of the random ones: ten digits, the first of them no zero, which spreadsheets would drop.
const RANDOM_FROM: u64 = 1_000_000_000;
const RANDOM_COUNT: u64 = 9_000_000_000;
/// How often orders are begun again whose numbers others have.
const ATTEMPTS: usize = 5;

/// How the shop numbers its orders.
#[derive(Clone, Debug)]
pub(crate) struct Numbering {
    /// One after the other, or at random.
    pub(crate) numbers: OrderNumbers,
    /// What all of them begin with.
    pub(crate) prefix: String,
}

impl Numbering {
    /// As the settings have it.
    pub(crate) fn of(settings: &kernel::settings::Order) -> Self {
        Self {
            numbers: settings.numbers,
            prefix: settings.number_prefix.clone(),
        }
    }

    /// What an order that is begun is to be numbered with.
    pub(super) fn at_beginning(&self) -> Beginning {
        match self.numbers {
            OrderNumbers::Sequence => Beginning::Sequence,
            OrderNumbers::GapFree => Beginning::None,
            OrderNumbers::Random => Beginning::Random,
        }
    }

    /// Runs `insert`, which numbers orders, and again where somebody else has one of the numbers: random ones are other ones
    /// then, and a sequence that was not counted with for a while goes on behind what was given without it.
    pub(super) fn insert<T>(
        &self,
        connection: &mut PgConnection,
        mut insert: impl FnMut(&mut PgConnection) -> QueryResult<T>,
    ) -> QueryResult<T> {
        for _ in 1..ATTEMPTS {
            match insert(connection) {
                Err(error) if is_taken(&error) => catch_up(connection)?,
                outcome => return outcome,
            }
        }
        insert(connection)
    }
}

/// Where the number of an order that is begun comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// From the sequence.
    Sequence,
    /// From chance.
    Random,
    /// It gets none yet.
    None,
}

impl Beginning {
    /// Whether the sequence is asked.
    pub(super) fn is_counted(self) -> bool {
        self == Self::Sequence
    }

    /// A number of its own, with `prefix`.
    pub(super) fn number(self, prefix: &str) -> Option<String> {
        (self == Self::Random).then(|| format!("{prefix}{}", random()))
    }
}

/// Ten digits that nobody can guess. The bias of the remainder is below 2^-30.
fn random() -> u64 {
    let bytes = random_bytes(8);
    let number = bytes
        .iter()
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    RANDOM_FROM + number % RANDOM_COUNT
}

fn is_taken(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(DatabaseErrorKind::UniqueViolation, information)
        if information.constraint_name() == Some("orders_number_key"))
}

/// Moves the sequence behind the numbers that were counted without it.
fn catch_up(connection: &mut PgConnection) -> QueryResult<()> {
    const SQL: &str = "SELECT setval('@.order_numbers', counters.last) FROM @.counters, @.order_numbers \
        WHERE counters.name = 'orders' AND counters.last > order_numbers.last_value";
    Statement::new(SCHEMA, SQL, []).execute(connection).map(drop)
}

/// Numbers without gaps for those of `orders` (each an id and the version that it has while it is being placed) that are
/// still being placed and have none: one statement for all of them, in the transaction that makes them visible. Whoever
/// comes next waits for the end of that, and begins behind it, or in its place where it failed.
pub(crate) fn allot(
    connection: &mut PgConnection,
    orders: &[(Uuid, i64)],
    prefix: &str,
) -> QueryResult<HashMap<Uuid, String>> {
    // The orders are locked before the counter, as whoever gives one up does not wait for the counter.
    const SQL: &str = "WITH unnumbered AS MATERIALIZED ( \
            SELECT orders.id FROM @.orders AS orders \
            JOIN unnest(?, ?) AS wanted (id, version) ON orders.id = wanted.id AND orders.version = wanted.version \
            WHERE orders.status = 'placing' AND orders.number IS NULL ORDER BY orders.id FOR UPDATE OF orders \
        ), counted AS ( \
            SELECT count(*) AS count FROM unnumbered \
        ), counter AS ( \
            UPDATE @.counters AS counter SET last = counted.count + greatest(counter.last, \
                (SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM @.order_numbers)) \
            FROM counted WHERE counter.name = 'orders' AND counted.count > 0 \
            RETURNING counter.last - counted.count AS before \
        ) \
        SELECT unnumbered.id, ? || (counter.before + row_number() OVER (ORDER BY unnumbered.id)) AS number \
        FROM unnumbered, counter";
    let binds = [
        Bind::Uuids(orders.iter().map(|(id, _)| *id).collect()),
        Bind::BigInts(orders.iter().map(|(_, version)| *version).collect()),
        Bind::Text(prefix.to_owned()),
    ];
    let rows: Vec<Numbered> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    let number = |row: Numbered| row.number.map(|number| (row.id, number));
    Ok(rows.into_iter().filter_map(number).collect())
}

/// The next number of a series of documents, whose counter stays locked until the transaction ends.
pub(crate) fn next_in_series(connection: &mut PgConnection, series: &str) -> QueryResult<i64> {
    const SQL: &str = "INSERT INTO @.counters AS counter (name, last) VALUES (?, 1) \
        ON CONFLICT (name) DO UPDATE SET last = counter.last + 1 RETURNING last";
    let row: Counted = Statement::new(SCHEMA, SQL, [Bind::Text(series.to_owned())]).get_result(connection)?;
    Ok(row.last)
}

/// An order and its number, where it has one.
#[derive(QueryableByName)]
pub(super) struct Numbered {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub(super) id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Nullable<Text>)]
    pub(super) number: Option<String>,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    last: i64,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn random_numbers_have_ten_digits_and_tell_nothing() {
        let numbers: Vec<String> = (0..200).filter_map(|_| Beginning::Random.number("A-")).collect();
        assert!(
            numbers.iter().all(|number| {
                let digits = number.strip_prefix("A-").unwrap();
                digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit())
            }),
            "{numbers:?}"
        );
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
        let rises = numbers.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!(
            (60..140).contains(&rises),
            "the order of numbers is not random: {rises}"
        );
    }

    #[test]
    fn only_random_numbers_are_made_before_the_database_is_asked() {
        assert_eq!(Beginning::Sequence.number("A-"), None);
        assert_eq!(Beginning::None.number("A-"), None);
        assert!(Beginning::Sequence.is_counted() && !Beginning::None.is_counted());
    }
}
