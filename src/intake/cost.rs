//! What a submission costs between the dot and the book, measured:
//! `cargo test --release --lib intake::cost -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::trace;
use crate::id::Id;
use crate::mime::edit::Edit;
use crate::policy::testing::{Case, NOW};
use crate::policy::{self, Draft, Facts, reserved};

/// Nanoseconds that a 4 KiB message may cost.
const BUDGET: u128 = 15_000;
const ROUNDS: u32 = 10_000;

#[test]
#[ignore = "a measurement: it says something in a release build on a quiet machine"]
fn four_kibibytes_are_read_judged_and_edited_within_the_budget() {
    let case = Case::new();
    let body = "A line of text in the body of this message, of a usual length.\n".repeat(60);
    let submission = case.submission(&format!(
        "Received: from app by relay; Sat, 21 Nov 2026 01:20:20 +0000\nFrom: =?utf-8?Q?J=C3=B6rg?= Sender <a@b.test>\n\
         To: Somebody <r@c.test>\nSubject: Your =?utf-8?Q?gr=C3=BCn?= order has shipped\nDate: Sat, 21 Nov 2026 01:20:21 +0000\n\
         Message-ID: <abc-1@b.test>\nMIME-Version: 1.0\nX-Krafter-Tag: kind=order\nContent-Type: text/plain\n\n{body}"
    ));
    let once = || {
        let facts = Facts {
            now: NOW,
            limits: &case.limits,
            standing: case.standing,
            suppressed: Vec::new(),
            unsubscribed: Vec::new(),
            template: None,
            usage: policy::Usage::default(),
        };
        let draft = Draft::read(&submission, &case.limits).expect("an ordinary message");
        let ruling = policy::judge(&draft, &facts).expect("nothing against it");
        let top = trace::received("mx.b.test", &submission.transport, Id([7; 16]), NOW).into_bytes();
        let edit = Edit { top, remove: reserved::removed(&draft.fields), rewrite: None };
        let values = ["From", "To", "Cc", "Reply-To", "Subject"].map(|name| draft.fields.text(name));
        black_box((edit.apply(&submission.mime, &draft.fields), Sha256::digest(&submission.mime[..]), values, ruling));
    };
    let round = || {
        let began = Instant::now();
        (0..ROUNDS).for_each(|_| once());
        began.elapsed().as_nanos() / u128::from(ROUNDS)
    };
    let best = (0..5).map(|_| round()).min().unwrap_or(u128::MAX);
    println!("{best} ns a message of {} octets", submission.mime.len());
    assert!(cfg!(debug_assertions) || best < BUDGET, "{best} ns");
}
