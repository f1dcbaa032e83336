//! Refresh tokens: opaque to clients, used once, and derived instead of stored.
//!
//! A token is the session's id, its generation and an HMAC-SHA256 over both and the session's random nonce. Whoever has
//! the database but not the key cannot make one, nor can whoever has the key but not the database. The successor of a
//! token is always the same, so that two tabs that refresh at the same moment get the same one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use kernel::id::SessionId;
use kernel::keys::SecretKey;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// How long after its use a token still answers with its successor.
pub(crate) const GRACE: TimeDelta = TimeDelta::seconds(10);
/// The length of a session's nonce, in bytes.
pub(crate) const NONCE_LENGTH: usize = 16;

const ID_LENGTH: usize = 16;
const GENERATION_LENGTH: usize = 4;
const TAG_LENGTH: usize = 32;

/// Makes and checks refresh tokens under `keys.secret`.
#[derive(Clone)]
pub(crate) struct RefreshTokens {
    key: SecretKey,
}

/// A token as it was presented: well-formed, but not yet known to be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Presented {
    /// The session that it claims to belong to.
    pub(crate) session: SessionId,
    /// Which of the session's tokens it claims to be.
    pub(crate) generation: i32,
    tag: [u8; TAG_LENGTH],
}

impl RefreshTokens {
    /// Tokens under `key`.
    pub(crate) fn new(key: SecretKey) -> Self {
        Self { key }
    }

    /// The token of one generation of a session.
    pub(crate) fn issue(&self, session: SessionId, generation: i32, nonce: &[u8]) -> String {
        let tag = self.tag(session, generation, nonce);
        let id = session.uuid();
        let bytes = [id.as_bytes().as_slice(), &generation.to_be_bytes(), &tag].concat();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether `presented` is a token of the session with this nonce, in constant time.
    pub(crate) fn is_authentic(&self, presented: &Presented, nonce: &[u8]) -> bool {
        let expected = self.tag(presented.session, presented.generation, nonce);
        expected.ct_eq(&presented.tag).into()
    }

    fn tag(&self, session: SessionId, generation: i32, nonce: &[u8]) -> [u8; TAG_LENGTH] {
        let id = session.uuid();
        self.key
            .mac("refresh", &[id.as_bytes(), &generation.to_be_bytes(), nonce])
    }
}

impl Presented {
    /// Reads a token's parts; `None` for anything that cannot be one.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        const LENGTH: usize = ID_LENGTH + GENERATION_LENGTH + TAG_LENGTH;
        // Checked first, so that nobody has us decode a megabyte.
        if token.len() != (LENGTH * 4).div_ceil(3) {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, rest) = bytes.split_first_chunk::<ID_LENGTH>()?;
        let (generation, tag) = rest.split_first_chunk::<GENERATION_LENGTH>()?;
        Some(Self {
            session: Uuid::from_bytes(*id).into(),
            generation: i32::from_be_bytes(*generation),
            tag: tag.try_into().ok()?,
        })
    }
}

/// What an authentic token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the current one: exchange it.
    Rotate,
    /// It was exchanged a moment ago: answer with the same successor again.
    Repeat,
    /// It was exchanged long ago, so that two parties hold tokens of this session: one of them has stolen it.
    Reused,
}

/// Judges an authentic token of generation `presented` of a session whose `current` generation began at `refreshed_at`.
pub(crate) fn judge(presented: i32, current: i32, refreshed_at: DateTime<Utc>, now: DateTime<Utc>) -> Verdict {
    if presented == current {
        return Verdict::Rotate;
    }
    if presented.checked_add(1) == Some(current) && now < refreshed_at + GRACE {
        return Verdict::Repeat;
    }
    Verdict::Reused
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Clock;
    use proptest::prelude::*;

    fn tokens() -> RefreshTokens {
        RefreshTokens::new(SecretKey::generate())
    }

    #[test]
    fn a_token_belongs_to_one_session_generation_nonce_and_key() {
        let tokens = tokens();
        let session = SessionId::generate();
        let presented = Presented::parse(&tokens.issue(session, 3, b"nonce")).unwrap();
        assert_eq!((presented.session, presented.generation), (session, 3));
        assert!(tokens.is_authentic(&presented, b"nonce"));
        assert!(!tokens.is_authentic(&presented, b"other"));
        assert!(!self::tests::tokens().is_authentic(&presented, b"nonce"));
        for forged in [
            Presented {
                generation: 4,
                ..presented.clone()
            },
            Presented {
                session: SessionId::generate(),
                ..presented.clone()
            },
        ] {
            assert!(!tokens.is_authentic(&forged, b"nonce"));
        }
    }

    #[test]
    fn the_same_generation_is_the_same_token() {
        let (tokens, session) = (tokens(), SessionId::generate());
        assert_eq!(tokens.issue(session, 1, b"n"), tokens.issue(session, 1, b"n"));
        assert_ne!(tokens.issue(session, 1, b"n"), tokens.issue(session, 2, b"n"));
    }

    #[test]
    fn a_token_is_current_then_in_grace_then_reused() {
        let now = Clock::system().now();
        assert_eq!(judge(5, 5, now - TimeDelta::days(29), now), Verdict::Rotate);
        assert_eq!(judge(4, 5, now, now), Verdict::Repeat);
        assert_eq!(
            judge(4, 5, now - GRACE + TimeDelta::microseconds(1), now),
            Verdict::Repeat
        );
        assert_eq!(judge(4, 5, now - GRACE, now), Verdict::Reused);
        assert_eq!(judge(3, 5, now, now), Verdict::Reused);
        assert_eq!(judge(i32::MAX, 5, now, now), Verdict::Reused);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,100}") {
            let _ = Presented::parse(&text);
        }

        #[test]
        fn a_changed_character_never_makes_an_authentic_token(position in 0usize..70, letter in "[A-Za-z0-9_-]") {
            let tokens = tokens();
            let token = tokens.issue(SessionId::generate(), 0, b"nonce");
            let mut changed = token.clone();
            changed.replace_range(position..=position, &letter);
            prop_assume!(changed != token);
            let presented = Presented::parse(&changed);
            prop_assert!(!presented.is_some_and(|presented| tokens.is_authentic(&presented, b"nonce")));
        }

        #[test]
        fn a_token_survives_the_round_trip(generation in 0i32.., nonce in proptest::collection::vec(any::<u8>(), 16)) {
            let (tokens, session) = (tokens(), SessionId::generate());
            let presented = Presented::parse(&tokens.issue(session, generation, &nonce)).unwrap();
            prop_assert_eq!((presented.session, presented.generation), (session, generation));
            prop_assert!(tokens.is_authentic(&presented, &nonce));
        }
    }
}
