//! The MIME bytes, apart from the rows of their messages. A large body lies in pieces: on its way into or out of the database a value is
//! copied several times, by the driver and by the engine, and at the size of a whole message each of these copies counts.

use std::collections::HashMap;

use bytes::Bytes;

use crate::id::Id;
use crate::store::db::Tx;
use crate::store::sheet::Sheet;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, rows};

/// Octets of a piece; only the last of a body may have fewer.
const PIECE: usize = 1 << 20;

pub(super) static INSERT: Sql = Sql::rows(
    "INSERT {or fail} INTO message_bodies (message_id, mime, pieces) SELECT message_id, mime, pieces FROM {rows}",
    &[("message_id", Kind::Bytes), ("mime", Kind::Blob), ("pieces", Kind::Int)],
);

static INSERT_PIECE: Sql = Sql::new("INSERT INTO message_body_pieces (message_id, idx, octets) VALUES ($1, $2, $3)");

static BODIES: Sql = Sql::rows(
    "SELECT message_id, mime, pieces FROM {rows} JOIN message_bodies ON message_id = v.message",
    &[("message", Kind::Bytes)],
);

static ONE_PIECE: Sql = Sql::new("SELECT octets FROM message_body_pieces WHERE message_id = $1 AND idx = $2");

record!(BodyRow { message_id: Vec<u8>, mime: Vec<u8>, pieces: i64 });
record!(PieceRow { octets: Vec<u8> });

/// What a body has beyond its first piece.
pub(super) struct Rest {
    message: Id,
    octets: Bytes,
}

/// Puts a body on the sheet.
pub(super) fn add(message: Id, body: &Bytes, sheet: &mut Sheet) {
    let mut first = body.clone();
    let rest = first.split_off(body.len().min(PIECE));
    let pieces = i64::try_from(rest.len().div_ceil(PIECE)).unwrap_or(i64::MAX);
    sheet.bodies.push(vec![message.into(), Value::Blob(first), pieces.into()]);
    if pieces > 0 {
        sheet.rests.push(Rest { message, octets: rest });
    }
}

impl Rest {
    /// Writes it, a statement a piece. The row of the body may come later in the transaction.
    pub async fn write(mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let mut index = 0_i64;
        while !self.octets.is_empty() {
            let piece = self.octets.split_to(self.octets.len().min(PIECE));
            tx.run(&INSERT_PIECE, &[self.message.into(), index.into(), Value::Blob(piece)], &[]).await?;
            index += 1;
        }
        Ok(())
    }
}

impl Store {
    /// The bytes of these messages; those that are not there, or not whole, are left out.
    pub(super) async fn bodies(&self, ids: impl Iterator<Item = Id>) -> Result<HashMap<Id, Bytes>, StoreError> {
        let wanted: Vec<_> = ids.map(|id| values![id]).collect();
        let mut bodies = HashMap::with_capacity(wanted.len());
        for row in self.db().fetch_rows::<BodyRow>(&BODIES, Vec::new(), &wanted).await? {
            let id = rows::id(&row.message_id)?;
            if let Some(body) = self.whole(id, row).await? {
                bodies.insert(id, body);
            }
        }
        Ok(bodies)
    }

    /// A body with the pieces that follow its row; `None` when one is missing.
    async fn whole(&self, message: Id, row: BodyRow) -> Result<Option<Bytes>, StoreError> {
        let mut body = row.mime;
        let room = usize::try_from(row.pieces).ok().and_then(|pieces| pieces.checked_mul(PIECE));
        if room.is_none_or(|room| body.try_reserve_exact(room).is_err()) {
            return Ok(None);
        }
        for index in 0..row.pieces {
            let Some(piece) = self.db().fetch_one::<PieceRow>(&ONE_PIECE, values![message, index]).await? else {
                return Ok(None);
            };
            body.extend_from_slice(&piece.octets);
        }
        Ok(Some(body.into()))
    }
}
