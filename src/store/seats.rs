//! Connections that no pool looks after: sqlx's pool asks each one for a sign of life when it comes back, and on the way of every message
//! that would be one exchange with the database more for each shared commit and each shared look-up.
//!
//! A connection is lent by value and handed back once the database has answered. What is not handed back, since its user was cancelled
//! or it broke, is closed; the next user makes a new one. One that lay idle for a while is asked for a sign of life first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::error::DatabaseError;
use sqlx::{ConnectOptions as _, Connection, Database, Executor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::StoreError;

/// A database whose connections can sit in [`Seats`].
pub(super) trait Engine: Database<Connection: Rolls> {}
impl<D: Database<Connection: Rolls>> Engine for D {}

/// A connection that can run a bare text.
pub(super) trait Rolls: Connection {
    /// Runs a text without parameters.
    fn say(&mut self, text: &'static str) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

impl<C: Connection> Rolls for C
where
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
{
    async fn say(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        self.execute(text).await.map(|_| ())
    }
}

/// After so long without use a connection may have died unseen.
const IDLE: Duration = Duration::from_secs(1);

/// So many connections at most; clones share them. Who comes first is served first.
pub(super) struct Seats<D: Engine> {
    inner: Arc<Inner<D>>,
}

struct Inner<D: Engine> {
    options: <D::Connection as Connection>::Options,
    places: Arc<Semaphore>,
    number: usize,
    /// Each with the time of its last use.
    free: Mutex<Vec<(Instant, D::Connection)>>,
    patience: Duration,
}

/// The right to one connection; dropping it gives the right back, and the connection if it is whole.
pub(super) struct Seat<D: Engine> {
    inner: Arc<Inner<D>>,
    connection: Option<D::Connection>,
    /// A transaction is open that was neither committed nor rolled back.
    open: bool,
    place: Option<OwnedSemaphorePermit>,
}

impl<D: Engine> Clone for Seats<D> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<D: Engine> std::fmt::Debug for Seats<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seats({} free)", self.inner.places.available_permits())
    }
}

impl<D: Engine> Seats<D> {
    /// So many places, waited for at most `patience`. Makes the first connection, so that a wrong address shows at once.
    pub async fn new(
        number: usize,
        patience: Duration,
        options: <D::Connection as Connection>::Options,
    ) -> Result<Self, StoreError> {
        let inner = Inner { options, places: Arc::new(Semaphore::new(number)), number, free: Mutex::default(), patience };
        let seats = Self { inner: Arc::new(inner) };
        seats.take().await?;
        Ok(seats)
    }

    /// A place with a connection that is in no transaction.
    pub async fn take(&self) -> Result<Seat<D>, StoreError> {
        let place = tokio::time::timeout(self.inner.patience, self.inner.places.clone().acquire_owned());
        let place = match place.await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(StoreError::Unavailable("it is being closed".to_owned())),
            Err(_) => return Err(StoreError::Unavailable("no connection became free in time".to_owned())),
        };
        let connection = match self.inner.alive().await {
            Some(connection) => connection,
            None => self.inner.connect().await?,
        };
        Ok(Seat { inner: self.inner.clone(), connection: Some(connection), open: false, place: Some(place) })
    }

    /// Gives no more places, waits for those that are given, and closes the connections.
    pub async fn close(&self) {
        let all = u32::try_from(self.inner.number).unwrap_or(u32::MAX);
        let _all = self.inner.places.acquire_many(all).await;
        self.inner.places.close();
        let free = std::mem::take(&mut *self.inner.free());
        for (_, connection) in free {
            let _ = connection.close().await;
        }
    }
}

impl<D: Engine> Inner<D> {
    /// A free connection that lives, as far as can be told.
    async fn alive(&self) -> Option<D::Connection> {
        loop {
            let (used, mut connection) = self.free().pop()?;
            let lives =
                used.elapsed() < IDLE || matches!(tokio::time::timeout(self.patience, connection.ping()).await, Ok(Ok(())));
            if lives {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<D::Connection, StoreError> {
        match tokio::time::timeout(self.patience, self.options.connect()).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(StoreError::Unavailable("it does not answer".to_owned())),
        }
    }

    /// A push or a pop: a panic elsewhere can't leave the list half changed.
    fn free(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, D::Connection)>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Engine> Seat<D> {
    /// The connection, by value; to be handed back by [`Seat::put`] when the database has answered.
    pub fn lend(&mut self) -> Result<D::Connection, StoreError> {
        self.connection.take().ok_or_else(|| StoreError::Unavailable("the connection was lost".to_owned()))
    }

    /// Hands the connection back after its use came out so. One that is broken, or leads nowhere any more, is closed, and with it all that lie idle: what ended it
    /// has ended them too.
    pub fn put<T>(&mut self, connection: D::Connection, outcome: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        match &outcome {
            Ok(_) => self.connection = Some(connection),
            Err(sqlx::Error::Database(error)) if !leads_nowhere(&**error) => self.connection = Some(connection),
            Err(_) => self.inner.free().clear(),
        }
        Ok(outcome?)
    }

    /// Closes a connection that is no longer trusted; its place is given back.
    pub async fn discard(mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
        }
    }

    /// Begins a transaction by this text.
    pub async fn begin(&mut self, text: &'static str) -> Result<(), StoreError> {
        self.open = true;
        self.say(text).await
    }

    /// Commits. When this fails the transaction may or may not have happened.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        self.say("COMMIT").await?;
        self.open = false;
        Ok(())
    }

    /// Undoes what a failure left open. A connection that can't is closed: SQLite ends some transactions by itself, and of such a
    /// connection it is not known where it stands.
    pub async fn roll_back(mut self) {
        self.open = false;
        let patience = self.inner.patience;
        if !matches!(tokio::time::timeout(patience, self.say("ROLLBACK")).await, Ok(Ok(()))) {
            self.discard().await;
        }
    }

    /// Runs a text without parameters.
    pub async fn say(&mut self, text: &'static str) -> Result<(), StoreError> {
        let mut connection = self.lend()?;
        let said = connection.say(text).await;
        self.put(connection, said)
    }
}

/// Whether PostgreSQL has ended the connection with this error (shutdown, crash, a timeout), or the server behind it only reads any more
/// (SQLSTATE 25006): another may have taken its place, and is found by connecting anew.
fn leads_nowhere(error: &dyn DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006"))
}

impl<D: Engine> Drop for Seat<D> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let place = self.place.take();
        if !self.open {
            self.inner.free().push((Instant::now(), connection));
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let left = Self { inner: self.inner.clone(), connection: Some(connection), open: true, place };
            runtime.spawn(left.roll_back());
        }
    }
}
