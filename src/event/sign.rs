//! The headers that prove to an endpoint who calls it: HMAC-SHA-256 over the body, in two forms.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::webhook::{WebhookKind, WebhookSecret, WebhookSecrets};

/// A header's name and value.
pub type Header = (&'static str, String);

/// A request that is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The event's: the same at every attempt.
    pub event: Id,
    pub kind: WebhookKind,
    /// Its own.
    pub request: &'a str,
    pub at: Timestamp,
    pub body: &'a str,
}

/// The headers of a request that say what it is, and sign it. While an earlier secret is good, too, it makes `x-krafter-signature`, the
/// new one `x-krafter-signature-next`, and `webhook-signature` has both.
pub fn headers(request: &Request<'_>, secrets: &WebhookSecrets) -> Vec<Header> {
    let (id, seconds) = (request.event.uuid(), request.at.0.div_euclid(1000).to_string());
    let earlier = secrets.previous.as_ref().filter(|(_, until)| request.at < *until).map(|(secret, _)| secret);
    let mut headers = vec![
        ("x-krafter-event", request.kind.as_str().to_owned()),
        ("x-krafter-webhook-id", request.request.to_owned()),
        ("x-krafter-signature", of_body(earlier.unwrap_or(&secrets.current), request.body)),
    ];
    if earlier.is_some() {
        headers.push(("x-krafter-signature-next", of_body(&secrets.current, request.body)));
    }
    let signers = std::iter::once(&secrets.current).chain(earlier);
    let standard: Vec<String> = signers.filter_map(|secret| standard(secret, &id, &seconds, request.body)).collect();
    headers.push(("webhook-signature", standard.join(" ")));
    headers.push(("webhook-id", id));
    headers.push(("webhook-timestamp", seconds));
    headers
}

/// Over the body alone, keyed with the text of the secret as it was shown.
fn of_body(secret: &WebhookSecret, body: &str) -> String {
    let code = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes()), body.as_bytes());
    let hex: String = code.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("sha256={hex}")
}

/// Standard Webhooks: over `id.timestamp.body`, keyed with the octets behind the secret's prefix.
fn standard(secret: &WebhookSecret, id: &str, seconds: &str, body: &str) -> Option<String> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &secret.octets()?));
    for part in [id, ".", seconds, ".", body] {
        context.update(part.as_bytes());
    }
    Some(format!("v1,{}", STANDARD.encode(context.sign())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"test": 2432232314}"#;

    fn secret() -> WebhookSecret {
        WebhookSecret::from_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    }

    /// The vector that Standard Webhooks publishes.
    #[test]
    fn it_is_signed_as_standard_webhooks_asks() {
        let signature = standard(&secret(), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", BODY);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    /// Made with another program: `openssl dgst -sha256 -hmac whsec_...`.
    #[test]
    fn it_is_signed_as_krafter_documents() {
        let expected = "sha256=80ec8a89ce3cd22133a1066caecb4d04fea7467657c8514d717ec42c38a5c94c";
        assert_eq!(of_body(&secret(), BODY), expected);
    }

    #[test]
    fn while_two_secrets_are_good_both_sign() {
        let (new, old) = (WebhookSecret::generate(), secret());
        let until = Timestamp(1_614_265_331_000);
        let secrets = WebhookSecrets { current: new.clone(), previous: Some((old.clone(), until)) };
        let value = |at, name: &str| {
            let request = Request { event: Id([7; 16]), kind: WebhookKind::Sent, request: "r", at, body: BODY };
            headers(&request, &secrets).into_iter().find(|(other, _)| *other == name).map(|(_, value)| value)
        };
        let during = Timestamp(1_614_265_330_999);
        assert_eq!(value(during, "x-krafter-signature"), Some(of_body(&old, BODY)));
        assert_eq!(value(during, "x-krafter-signature-next"), Some(of_body(&new, BODY)));
        assert_eq!(value(during, "webhook-signature").map(|both| both.split(' ').count()), Some(2));
        assert_eq!(value(during, "webhook-timestamp").as_deref(), Some("1614265330"));
        assert_eq!(value(during, "webhook-id"), Some(Id([7; 16]).uuid()));
        assert_eq!(value(until, "x-krafter-signature"), Some(of_body(&new, BODY)));
        assert_eq!(value(until, "x-krafter-signature-next"), None);
        assert_eq!(value(until, "webhook-signature").map(|one| one.split(' ').count()), Some(1));
    }
}
