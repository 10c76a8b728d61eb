//! Work on a large message, kept from holding up the other tasks of its thread.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Octets above which hashing, copying and re-encoding take long enough to be felt (about half a millisecond).
const LARGE: usize = 256 * 1024;

/// Runs `work`, after handing the thread's other tasks to another one when the message is large.
pub fn run<T>(octets: usize, work: impl FnOnce() -> T) -> T {
    let many_threads = || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if octets > LARGE && many_threads() { tokio::task::block_in_place(work) } else { work() }
}
