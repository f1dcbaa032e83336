//! How a piece of database work ends early: refused by a rule, or failed by the database.

use diesel::result::{DatabaseErrorKind, Error, QueryResult};
use kernel::Fault;

/// Why a closure given to [`crate::Db`] ends without a result. Inside a transaction either rolls back.
#[derive(Debug)]
pub enum Failure<E> {
    /// A rule of the module says no.
    Refused(E),
    /// The database failed.
    Database(Error),
}

/// Ends a closure by a rule: `return refuse(CartError::NotFound)`.
pub fn refuse<T, E>(refusal: E) -> Result<T, Failure<E>> {
    Err(Failure::Refused(refusal))
}

/// Turns results of rules into [`Failure`]s.
pub trait OrRefuse<T, E> {
    /// The value, or the refusal.
    fn or_refuse(self) -> Result<T, Failure<E>>;
}

impl<T, E> OrRefuse<T, E> for Result<T, E> {
    fn or_refuse(self) -> Result<T, Failure<E>> {
        self.map_err(Failure::Refused)
    }
}

/// Turns violations of named constraints into refusals.
pub trait OnViolation<T> {
    /// Refuses where the constraint or unique index `constraint` was violated; other failures stay what they are.
    fn on_violation<E>(self, constraint: &str, refusal: impl FnOnce() -> E) -> Result<T, Failure<E>>;
}

impl<T> OnViolation<T> for QueryResult<T> {
    fn on_violation<E>(self, constraint: &str, refusal: impl FnOnce() -> E) -> Result<T, Failure<E>> {
        self.map_err(|error| match &error {
            Error::DatabaseError(_, information) if information.constraint_name() == Some(constraint) => {
                Failure::Refused(refusal())
            }
            _ => Failure::Database(error),
        })
    }
}

impl<E> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl<E: From<Fault>> Failure<E> {
    /// The error for the world outside the closure.
    pub fn into_error(self) -> E {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Database(error) => fault_of(&error).into(),
        }
    }
}

/// A fault of something else that database work needs in its midst, such as another store: whoever asked for the work gets
/// that very fault, and a transaction rolls back.
pub fn failed_by(fault: Fault) -> Error {
    Error::QueryBuilderError(Box::new(fault))
}

/// What a failure of the database means to a caller: time-outs, deadlocks and lost connections are worth another try,
/// everything else is a bug of ours.
pub fn fault_of(error: &Error) -> Fault {
    if let Error::QueryBuilderError(source) = error
        && let Some(fault) = source.downcast_ref::<Fault>()
    {
        return fault.clone();
    }
    let Error::DatabaseError(kind, information) = error else {
        return Fault::internal(error.to_string());
    };
    let message = information.message();
    let passing = [
        "canceling statement due to",
        "deadlock detected",
        "terminating connection",
        "server closed the connection",
        "could not serialize",
        "shutting down",
        "starting up",
        "recovery mode",
        "too many clients",
        "remaining connection slots",
        "No space left on device",
        "connection to server",
        "no connection to the server",
        "SSL SYSCALL",
        "could not receive data",
        "could not send data",
    ];
    let lost = matches!(
        kind,
        DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::SerializationFailure
    );
    if lost || passing.iter().any(|text| message.contains(text)) {
        return Fault::unavailable(format!("database: {message}"));
    }
    let constraint = information
        .constraint_name()
        .map(|name| format!(" (constraint {name})"))
        .unwrap_or_default();
    Fault::internal(format!("database: {message}{constraint}"))
}
