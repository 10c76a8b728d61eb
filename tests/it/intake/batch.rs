//! Submissions that come together.

use posthouse::model::submission::Submission;

use super::*;

fn mail(subject: &str) -> String {
    format!("From: a@b.test\nSubject: {subject}\n\nbody\n")
}

impl House {
    fn batch(&self, mails: &[(&str, String)]) -> Vec<Submission> {
        mails.iter().map(|(to, text)| self.submission(&[to], text.replace('\n', "\r\n"))).collect()
    }
}

#[test]
fn each_message_of_a_batch_hears_its_own_verdict() {
    on_every_engine(|book| async move {
        let quota = |_: &mut Config, rights: &mut KeyRights| rights.quota = Some(Quota { per_day: 3 });
        let house = House::new(&book, quota).await;
        house.suppress("gone@c.test", "bounce").await;
        let batch = house.batch(&[
            ("r@c.test", mail("one")),
            ("gone@c.test", mail("two")),
            ("r@c.test", "Subject: no sender\n\n".to_owned()),
            ("r@c.test", keyed("hello", "1")),
            ("r@c.test", keyed("hello", "2")),
            ("r@c.test", keyed("other", "3")),
            ("r@c.test", mail("six")),
        ]);
        let verdicts = house.intake.accept_all(batch).await.expect("nothing speaks against the whole");
        let codes: Vec<_> = verdicts.iter().map(|verdict| verdict.as_ref().map(|_| ()).map_err(|refusal| refusal.code)).collect();
        let (suppressed, over) = (Err(Code::RecipientSuppressed), Err(Code::QuotaExceeded));
        assert_eq!(codes, [Ok(()), suppressed, Err(Code::InvalidHeader), Ok(()), Ok(()), over, over]);
        let receipts: Vec<_> = verdicts.into_iter().flatten().collect();
        assert_eq!(receipts[1].id, receipts[2].id, "one key, one message");
        assert!(receipts[2].replay_of.is_some() && receipts[2].record.is_none());
        for receipt in &receipts[..2] {
            let (listed, _) = house.kept(receipt.id).await;
            assert_eq!(receipt.record.as_deref(), Some(&listed.message));
        }
        assert_eq!(house.count().await, 2);
    });
}

#[test]
fn a_batch_is_refused_as_a_whole_for_what_its_sender_may_not_do() {
    on_every_engine(|book| async move {
        let one_a_day = |_: &mut Config, rights: &mut KeyRights| rights.quota = Some(Quota { per_day: 1 });
        let house = House::new(&book, one_a_day).await;
        let cases = [
            ("X-Krafter-Foo: 1\nFrom: a@b.test\n\n", Code::ForbiddenHeader),
            ("X-Krafter-Stream: broadcast\nFrom: a@b.test\n\n", Code::StreamNotAllowed),
        ];
        for (bad, code) in cases {
            let batch = house.batch(&[("r@c.test", mail("one")), ("r@c.test", bad.to_owned()), ("r@c.test", mail("three"))]);
            let refused = house.intake.accept_all(batch).await.expect_err("the second");
            assert_eq!((refused.place, refused.refusal.code), (1, code));
        }
        assert_eq!(house.count().await, 0);
        assert_eq!(house.intake.accept_all(Vec::new()).await, Ok(Vec::new()));
        assert!(house.offer(&["r@c.test"], &mail("one")).await.is_ok(), "what was refused took nothing of the allowance");
    });
}
