//! `posthouse serve`: the server, and what it says on the way up.

mod banner;

use crate::app::bound::Bound;
use crate::app::{self, House, signals};
use crate::cli::context::{self, Global};
use crate::cli::output;
use crate::shutdown::Shutdown;
use crate::telemetry;

/// Serves until SIGTERM or SIGINT.
pub fn run(global: &Global) -> anyhow::Result<()> {
    let config = global.load()?;
    telemetry::start(&config.log)?;
    let _locks = app::lock(&config)?;
    context::runtime()?.block_on(async {
        let shutdown = Shutdown::default();
        signals::close_on_signal(&shutdown)?;
        let bound = Bound::from_config(&config)?;
        let house = House::open(config, bound).await?;
        output::text(&banner::of(&house))?;
        house.run(shutdown).await
    })
}
