//! The signals of the system: stop, and read certificates again.

use tokio::signal::unix::{SignalKind, signal};

use crate::door::smtp::tls::Certificates;
use crate::shutdown::Shutdown;

/// Begins to close on SIGTERM or SIGINT. Must be called within the runtime.
pub fn close_on_signal(shutdown: &Shutdown) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "closing: what is in flight is finished");
        shutdown.begin();
    });
    Ok(())
}

/// Reads certificates again on each SIGHUP, for as long as the runtime lives, within which it must be called.
pub fn reload_on_hangup(certificates: &Certificates) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let certificates = certificates.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            certificates.reload();
        }
    });
    Ok(())
}
