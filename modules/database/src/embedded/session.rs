//! The little of PostgreSQL's wire protocol that a supervisor needs.
//!
//! Only a real session proves that a server is up: a process that lives and a socket that accepts are also what a
//! dying server has. It is spoken here by hand, so that the supervisor needs no database library.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A server that does not answer within this time is taken for one that does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Version 3.0 of the protocol, which every PostgreSQL since 7.4 speaks.
const PROTOCOL_VERSION: u32 = 0x0003_0000;

/// No message that a supervisor provokes is longer; a longer one is not PostgreSQL's.
const LONGEST_MESSAGE: usize = 1 << 20;

/// Why the server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The socket could not be reached, or the session broke off.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server says no.
    #[error("{message} (SQLSTATE {code})")]
    Refused {
        /// The five characters of the SQLSTATE.
        code: String,
        /// The server's own words.
        message: String,
    },
    /// What came was not PostgreSQL's protocol.
    #[error("the server speaks another protocol")]
    Protocol,
}

impl SessionError {
    /// Whether waiting does not help: the server is up and says no, for another reason than that it starts or stops.
    pub(super) fn is_final(&self) -> bool {
        const OPERATOR_INTERVENTION: &str = "57";
        matches!(self, SessionError::Refused { code, .. } if !code.starts_with(OPERATOR_INTERVENTION))
    }

    /// Whether the server refused with this SQLSTATE.
    pub(super) fn is(&self, sqlstate: &str) -> bool {
        matches!(self, SessionError::Refused { code, .. } if code == sqlstate)
    }
}

/// A session with the server, open and ready for a query.
pub(super) struct Session {
    stream: UnixStream,
}

impl Session {
    /// Opens a session and waits until the server is ready for a query.
    pub(super) fn open(socket: &Path, user: &str, database: &str) -> Result<Session, SessionError> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut session = Session { stream };
        let mut body = PROTOCOL_VERSION.to_be_bytes().to_vec();
        for text in ["user", user, "database", database, "application_name", "supervisor"] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        body.push(0);
        session.send(&[], &body)?;
        session.await_ready()?;
        Ok(session)
    }

    /// Runs one statement that answers no rows, or none of interest.
    pub(super) fn execute(&mut self, statement: &str) -> Result<(), SessionError> {
        let mut body = statement.as_bytes().to_vec();
        body.push(0);
        self.send(b"Q", &body)?;
        self.await_ready()
    }

    fn send(&mut self, kind: &[u8], body: &[u8]) -> Result<(), SessionError> {
        let length = u32::try_from(body.len() + 4).map_err(|_| SessionError::Protocol)?;
        self.stream.write_all(&[kind, &length.to_be_bytes(), body].concat())?;
        Ok(())
    }

    /// Reads on until the server is ready for the next query; an error of the server ends the session.
    fn await_ready(&mut self) -> Result<(), SessionError> {
        loop {
            let (kind, body) = self.receive()?;
            match kind {
                b'Z' => return Ok(()),
                b'E' => return Err(refusal(&body)),
                // Authentication: anything but "ok" asks for a password, which an embedded server has none of.
                b'R' if body != [0; 4] => return Err(SessionError::Protocol),
                _ => {}
            }
        }
    }

    fn receive(&mut self) -> Result<(u8, Vec<u8>), SessionError> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| SessionError::Protocol)?;
        if !(4..LONGEST_MESSAGE).contains(&length) {
            return Err(SessionError::Protocol);
        }
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        Ok((kind, body))
    }
}

/// An ErrorResponse: fields of a letter and a text that ends with a zero byte.
fn refusal(body: &[u8]) -> SessionError {
    let field = |letter: u8| {
        body.split(|byte| *byte == 0)
            .find_map(|field| field.strip_prefix(&[letter]))
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .unwrap_or_default()
    };
    SessionError::Refused {
        code: field(b'C'),
        message: field(b'M'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_the_code_and_the_message_of_the_server() {
        let body = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
        assert_eq!(
            refusal(body).to_string(),
            "the database system is starting up (SQLSTATE 57P03)"
        );
    }

    #[test]
    fn a_server_that_starts_is_waited_for_and_one_without_room_is_not() {
        assert!(!refusal(b"SFATAL\0C57P03\0Mthe database system is starting up\0\0").is_final());
        assert!(refusal(b"SFATAL\0C53300\0Msorry, too many clients already\0\0").is_final());
        assert!(!SessionError::Io(io::ErrorKind::NotFound.into()).is_final());
    }
}
