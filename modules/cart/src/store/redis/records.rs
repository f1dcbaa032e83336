//! Carts as Redis has them: the names of keys, and the scripts by which they are written.
//!
//! A cart is a hash: all of it as JSON, and a tag that is another one after each write. Lists of carts are sorted sets of
//! their ids: those of each status and of each user, and those in the order in which they expire, were closed, or were last
//! changed. A cart and its places in the lists are written by one script, which nothing comes between.

use std::cmp::Reverse;
use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::result::Error;
use kernel::id::{CartId, UserId};
use redis::{Connection, FromRedisValue, RedisResult, Script, ScriptInvocation};
use uuid::Uuid;

use super::server::Server;
use crate::domain::{Cart, Status};
use crate::queries::unreadable;

/// How long Redis has a cart after it should be gone, where nobody removes it: a job does.
const GRACE: TimeDelta = TimeDelta::days(31);
/// No cart lives longer than this after its last change.
const LONGEST: TimeDelta = TimeDelta::days(3_650);

/// Writes carts, each unless it has another tag than was seen, or is about to move. `KEYS`: the lists by time (expiring,
/// closed, touched), the lists by status (open, merged, expired); then for each cart itself and the list of its user.
/// `ARGV`, for each cart: the tag that was seen (empty: there is no such cart), the new tag, the cart, how long it lives in
/// milliseconds, its id, the place of its status among the lists, when it expires or was closed, when it was touched (empty:
/// not since then), and whether it has a user. Answers whether they are written.
const WRITE: &str = "
local count = (#KEYS - 6) / 2
for i = 0, count - 1 do
    local key, seen, new = KEYS[7 + 2 * i], ARGV[1 + 9 * i], ARGV[2 + 9 * i]
    local tag = redis.call('HGET', key, 'tag') or ''
    if tag ~= new and (tag ~= seen or redis.call('HEXISTS', key, 'moving') == 1) then
        return 0
    end
end
for i = 0, count - 1 do
    local key, user = KEYS[7 + 2 * i], KEYS[8 + 2 * i]
    local new, body, life, id = ARGV[2 + 9 * i], ARGV[3 + 9 * i], tonumber(ARGV[4 + 9 * i]), ARGV[5 + 9 * i]
    local status, time = tonumber(ARGV[6 + 9 * i]), ARGV[7 + 9 * i]
    local touched, has_user = ARGV[8 + 9 * i], ARGV[9 + 9 * i]
    redis.call('HSET', key, 'tag', new, 'body', body)
    redis.call('PEXPIRE', key, life)
    for list = 4, 6 do
        if list == status then
            redis.call('ZADD', KEYS[list], 0, id)
        else
            redis.call('ZREM', KEYS[list], id)
        end
    end
    if status == 4 then
        redis.call('ZADD', KEYS[1], time, id)
        redis.call('ZREM', KEYS[2], id)
        if touched ~= '' then
            redis.call('ZADD', KEYS[3], touched, id)
        end
    else
        redis.call('ZREM', KEYS[1], id)
        redis.call('ZADD', KEYS[2], time, id)
        redis.call('ZREM', KEYS[3], id)
    end
    if has_user == '1' then
        redis.call('ZADD', user, 0, id)
        if redis.call('PTTL', user) < life then
            redis.call('PEXPIRE', user, life)
        end
    end
end
return 1
";

/// Removes a cart from everywhere, unless it has another tag than was seen (`ARGV[1]`; empty: there is no such cart any more).
/// `KEYS` as in [`WRITE`], with one cart. `ARGV[2]` is its id, `ARGV[3]` whether one that is about to move is removed as well.
/// Answers whether it is removed.
const REMOVE: &str = "
local tag = redis.call('HGET', KEYS[7], 'tag') or ''
if tag ~= ARGV[1] or (ARGV[3] ~= '1' and redis.call('HEXISTS', KEYS[7], 'moving') == 1) then
    return 0
end
redis.call('DEL', KEYS[7])
for list = 1, 6 do
    redis.call('ZREM', KEYS[list], ARGV[2])
end
if KEYS[8] ~= KEYS[7] then
    redis.call('ZREM', KEYS[8], ARGV[2])
end
return 1
";

/// Has nobody write the cart `KEYS[1]` any more, unless it has another tag than `ARGV[1]`; answers whether it is so.
const SEAL: &str = "
if redis.call('HGET', KEYS[1], 'tag') ~= ARGV[1] then
    return 0
end
redis.call('HSET', KEYS[1], 'moving', '1')
return 1
";

/// Takes carts out of the list of those that were touched (`KEYS[1]`), unless they were touched since. `ARGV`: for each its
/// id, and when it was touched.
const NOTE_TOLD: &str = "
for i = 1, #ARGV, 2 do
    if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or '-1') == tonumber(ARGV[i + 1]) then
        redis.call('ZREM', KEYS[1], ARGV[i])
    end
end
return 1
";

static WRITE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(WRITE));
static REMOVE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(REMOVE));
static SEAL_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(SEAL));
static NOTE_TOLD_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(NOTE_TOLD));

/// A list of carts in the order of a time.
#[derive(Clone, Copy)]
pub(super) enum ByTime {
    /// Open ones by when they expire.
    Expiring,
    /// Expired and merged ones by since when they are.
    Closed,
    /// Open ones by when they were last changed, of which nobody was told since.
    Touched,
}

/// A list of carts in the order of their ids.
#[derive(Clone, Copy)]
pub(super) enum ById {
    /// Those with a status.
    Status(Status),
    /// Those of a user.
    User(UserId),
}

/// A cart as Redis has it.
pub(super) struct Record {
    pub(super) cart: Cart,
    /// It is on its way to PostgreSQL, or there already: nobody writes it here any more.
    pub(super) is_moving: bool,
}

/// Some carts with their lists, under names that begin alike.
pub(super) struct Records {
    server: Server,
    prefix: String,
}

impl Records {
    /// The carts of a Redis whose keys begin with `prefix`.
    pub(super) fn new(server: Server, prefix: String) -> Self {
        Self { server, prefix }
    }

    /// Whether Redis answers.
    pub(super) fn ping(&self) -> QueryResult<()> {
        self.server.ask(|connection| redis::cmd("PING").query(connection))
    }

    /// Carts, where there are such.
    pub(super) fn read(&self, ids: &[CartId]) -> QueryResult<Vec<Option<Record>>> {
        type Fields = (Option<String>, Option<String>, Option<Vec<u8>>);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut questions = redis::pipe();
        for id in ids {
            let question = questions.cmd("HMGET").arg(self.cart(*id));
            question.arg(&["tag", "moving", "body"]);
        }
        let found: Vec<Fields> = self.server.ask(|connection| questions.query(connection))?;
        let record = |(tag, moving, body): Fields| match (tag, body) {
            (Some(tag), Some(body)) => {
                let mut cart: Cart = serde_json::from_slice(&body).map_err(unreadable)?;
                let mut aside = cart.aside.take().unwrap_or_default();
                aside.tag = Uuid::parse_str(&tag).map_err(unreadable)?;
                cart.aside = Some(aside);
                Ok(Some(Record {
                    cart,
                    is_moving: moving.is_some(),
                }))
            }
            _ => Ok(None),
        };
        found.into_iter().map(record).collect()
    }

    /// Writes all of these carts, each over what was seen of it, or none.
    pub(super) fn write(&self, writes: &[(Option<&Cart>, &Cart)]) -> QueryResult<bool> {
        let mut call = self.call(&WRITE_SCRIPT);
        for (seen, cart) in writes {
            let member = member(cart.id);
            let body = serde_json::to_vec(cart).map_err(|error| Error::SerializationError(error.into()))?;
            let (list, time) = match cart.status {
                Status::Merged(_) => (5, cart.updated_at),
                Status::Expired => (6, cart.updated_at),
                Status::Open | Status::Checkout(_) | Status::Completed(_) => (4, cart.expires_at),
            };
            let is_touched = seen.is_none_or(|seen| seen.touched_at != cart.touched_at || seen.status != Status::Open);
            let touched = is_touched.then(|| cart.touched_at.timestamp_millis().to_string());
            call.key(self.cart(cart.id)).key(self.user_of(cart));
            call.arg(seen.and_then(tag_of).unwrap_or_default())
                .arg(Uuid::now_v7().simple().to_string())
                .arg(body)
                .arg(life(cart))
                .arg(member)
                .arg(list)
                .arg(time.timestamp_millis())
                .arg(touched.unwrap_or_default())
                .arg(flag(cart.user.is_some()));
        }
        self.invoke(&call)
    }

    /// Removes a cart as it was seen; one that is moving only where that is said.
    pub(super) fn remove(&self, seen: &Cart, even_moving: bool) -> QueryResult<bool> {
        let mut call = self.call(&REMOVE_SCRIPT);
        call.key(self.cart(seen.id)).key(self.user_of(seen));
        call.arg(tag_of(seen).unwrap_or_default())
            .arg(member(seen.id))
            .arg(flag(even_moving));
        self.invoke(&call)
    }

    /// Takes a cart that is gone out of the lists.
    pub(super) fn remove_traces(&self, id: CartId, user: Option<UserId>) -> QueryResult<()> {
        let mut call = self.call(&REMOVE_SCRIPT);
        let list = user.map_or_else(|| self.cart(id), |user| self.list(ById::User(user)));
        call.key(self.cart(id)).key(list);
        call.arg("").arg(member(id)).arg(flag(false));
        self.invoke::<bool>(&call).map(drop)
    }

    /// Has nobody write a cart any more, as it was seen.
    pub(super) fn seal(&self, seen: &Cart) -> QueryResult<bool> {
        let mut call = SEAL_SCRIPT.key(self.cart(seen.id));
        call.arg(tag_of(seen).unwrap_or_default());
        self.invoke(&call)
    }

    /// The newest ids of lists together, at most `limit`, older than `before`.
    pub(super) fn newest(&self, lists: &[ById], before: Option<CartId>, limit: i64) -> QueryResult<Vec<CartId>> {
        let below = before.map_or_else(|| "+".to_owned(), |before| format!("({}", member(before)));
        let mut questions = redis::pipe();
        for list in lists {
            let question = questions.cmd("ZREVRANGEBYLEX").arg(self.list(*list)).arg(&below);
            question.arg("-").arg("LIMIT").arg(0).arg(limit);
        }
        let found: Vec<Vec<String>> = self.server.ask(|connection| questions.query(connection))?;
        let mut ids = found
            .iter()
            .flatten()
            .map(|member| id(member))
            .collect::<QueryResult<Vec<_>>>()?;
        ids.sort_unstable_by_key(|id| Reverse(*id));
        ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(ids)
    }

    /// The first ids of a list, at most `limit`, with their times from `first` to before `end`, in milliseconds.
    pub(super) fn between(
        &self,
        list: ByTime,
        first: Option<DateTime<Utc>>,
        end: DateTime<Utc>,
        limit: i64,
    ) -> QueryResult<Vec<(CartId, i64)>> {
        let from = first.map_or_else(|| "-inf".to_owned(), |first| first.timestamp_millis().to_string());
        let mut question = redis::cmd("ZRANGEBYSCORE");
        question
            .arg(self.times(list))
            .arg(from)
            .arg(format!("({}", end.timestamp_millis()));
        question.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
        let found: Vec<(String, i64)> = self.server.ask(|connection| question.query(connection))?;
        found.iter().map(|(member, time)| Ok((id(member)?, *time))).collect()
    }

    /// Forgets all of a list that is before `end`.
    pub(super) fn cut(&self, list: ByTime, end: DateTime<Utc>) -> QueryResult<()> {
        let mut command = redis::cmd("ZREMRANGEBYSCORE");
        command
            .arg(self.times(list))
            .arg("-inf")
            .arg(format!("({}", end.timestamp_millis()));
        self.server.ask(|connection| command.query::<i64>(connection)).map(drop)
    }

    /// Takes carts out of the list of touched ones, unless they were touched since.
    pub(super) fn note_told(&self, told: impl Iterator<Item = (CartId, i64)>) -> QueryResult<()> {
        let mut call = NOTE_TOLD_SCRIPT.key(self.times(ByTime::Touched));
        for (id, touched) in told {
            call.arg(member(id)).arg(touched);
        }
        self.invoke::<bool>(&call).map(drop)
    }

    /// A call of a script that has all lists.
    fn call(&self, script: &'static Script) -> ScriptInvocation<'static> {
        let mut call = script.prepare_invoke();
        for name in ["expiring", "closed", "touched", "open", "merged", "expired"] {
            call.key(format!("{}carts:{name}", self.prefix));
        }
        call
    }

    fn invoke<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> QueryResult<T> {
        let invoke = |connection: &mut Connection| -> RedisResult<T> { call.invoke(connection) };
        self.server.ask(invoke)
    }

    fn cart(&self, id: CartId) -> String {
        format!("{}cart:{}", self.prefix, member(id))
    }

    /// The list of the cart's user; that of a guest's cart is not used.
    fn user_of(&self, cart: &Cart) -> String {
        match cart.user {
            Some(user) => self.list(ById::User(user)),
            None => self.cart(cart.id),
        }
    }

    fn list(&self, list: ById) -> String {
        match list {
            ById::Status(status) => format!("{}carts:{}", self.prefix, status.name()),
            ById::User(user) => format!("{}carts-of:{}", self.prefix, user.uuid().simple()),
        }
    }

    fn times(&self, list: ByTime) -> String {
        let name = match list {
            ByTime::Expiring => "expiring",
            ByTime::Closed => "closed",
            ByTime::Touched => "touched",
        };
        format!("{}carts:{name}", self.prefix)
    }
}

/// How a cart is called in lists: so that the order of names is that of ids.
fn member(id: CartId) -> String {
    id.uuid().simple().to_string()
}

fn id(member: &str) -> QueryResult<CartId> {
    Uuid::parse_str(member).map(CartId::from).map_err(unreadable)
}

fn tag_of(cart: &Cart) -> Option<String> {
    cart.aside.as_ref().map(|aside| aside.tag.simple().to_string())
}

fn flag(is_set: bool) -> &'static str {
    if is_set { "1" } else { "" }
}

/// For how many milliseconds Redis has a cart at most, as of its last change.
fn life(cart: &Cart) -> i64 {
    let open = match cart.status {
        Status::Open => cart.expires_at - cart.updated_at,
        _ => TimeDelta::zero(),
    };
    (open.clamp(TimeDelta::zero(), LONGEST) + GRACE).num_milliseconds()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{address, cart, item};
    use crate::domain::{Aside, Item, ItemProblem};

    #[test]
    fn a_cart_is_read_as_it_was_written() {
        let short = Item {
            problem: Some(ItemProblem::InsufficientStock { available: 1 }),
            ..item(2, 1999)
        };
        let aside = Aside {
            released_orders: vec![kernel::id::OrderId::generate()],
            calls: vec!["a call".to_owned()],
            ..Aside::default()
        };
        let cart = Cart {
            status: Status::Merged(CartId::generate()),
            shipping_address: Some(address()),
            aside: Some(aside),
            ..cart(vec![item(1, 500), short])
        };
        let written = serde_json::to_vec(&cart).unwrap();
        assert_eq!(serde_json::from_slice::<Cart>(&written).unwrap(), cart);
    }

    #[test]
    fn names_in_lists_are_in_the_order_of_their_ids() {
        let mut ids: Vec<CartId> = (0..100).map(|_| CartId::generate()).collect();
        ids.sort_unstable();
        let members: Vec<String> = ids.iter().map(|id| member(*id)).collect();
        assert!(members.is_sorted());
        assert_eq!(id(&members[7]).unwrap(), ids[7]);
    }

    #[test]
    fn redis_has_a_cart_a_while_longer_than_it_lives_and_no_longer() {
        let mut cart = cart(Vec::new());
        assert_eq!(life(&cart), (TimeDelta::days(1) + GRACE).num_milliseconds());
        cart.expires_at = DateTime::<Utc>::MAX_UTC;
        assert_eq!(life(&cart), (LONGEST + GRACE).num_milliseconds());
        cart.status = Status::Expired;
        assert_eq!(life(&cart), GRACE.num_milliseconds());
    }
}
