//! Telling systemd (`Type=notify`) that the house is open, or closing. Without systemd nothing is said.

use sd_notify::NotifyState;

/// Every listener is bound and served.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Closing has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd can't be told");
    }
}
