//! Listeners and the driver: who is let in, how long they may take, and how the door closes.

mod closing;
mod entry;
mod keys;
mod patience;
mod resources;

use posthouse::door::smtp::door::Door;
use tokio::io::DuplexStream;

use crate::support::door::House;
use crate::support::smtp::Client;

/// A client in memory that has logged in.
async fn logged_in(house: &House, door: &Door) -> Client<DuplexStream> {
    let mut client = house.converse(door);
    client.reply().await;
    client.login(&house.secret).await;
    client
}
