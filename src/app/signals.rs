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

/// Reads certificates again on each SIGHUP. Must be called within the runtime.
pub fn reload_on_hangup(certificates: &Certificates, shutdown: &Shutdown) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (certificates, shutdown) = (certificates.clone(), shutdown.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                _ = hangup.recv() => certificates.reload(),
            }
        }
    });
    Ok(())
}
