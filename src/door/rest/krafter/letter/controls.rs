//! What is asked for besides the message.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::door::rest::krafter::new_email::NewEmail;
use crate::door::rest::problem::Details;
use crate::model::controls::{Controls, VARIABLES_MAX};
use crate::model::key::ApiKey;
use crate::model::message::Tracking;

/// Reads all but the idempotency key, which is no field.
pub fn read(faults: &mut Details, email: &NewEmail, key: &ApiKey) -> Controls {
    let mut controls = Controls {
        stream: email.stream.map(Into::into),
        // A sandbox has one policy for all its mail.
        tracking: email.tracking_enabled.filter(|_| !key.is_sandbox()).map(both).unwrap_or_default(),
        template: email.template_id.clone(),
        variables: email.variables.as_ref().and_then(|object| variables(faults, &object.0)),
        ignore_unsubscribe: email.ignore_unsubscribe.unwrap_or_default(),
        send_at: email.scheduled_at.as_deref().and_then(|text| moment(faults, text)),
        ..Controls::default()
    };
    for (name, value) in email.tags.iter().flat_map(|tags| &tags.0) {
        if let Err(fault) = controls.tag(name, value) {
            faults.add(format!("tags.{name}"), fault.to_string());
        }
    }
    controls
}

fn both(tracked: bool) -> Tracking {
    Tracking { opens: Some(tracked), clicks: Some(tracked) }
}

/// The variables, unless they are more than a row should hold.
fn variables(faults: &mut Details, variables: &Map<String, Value>) -> Option<Map<String, Value>> {
    if serde_json::to_vec(variables).is_ok_and(|json| json.len() <= VARIABLES_MAX) {
        return Some(variables.clone());
    }
    faults.add("variables", format!("must not be longer than {VARIABLES_MAX} octets of JSON"));
    None
}

/// Whether it is past is judged with all else that time may change.
fn moment(faults: &mut Details, text: &str) -> Option<Timestamp> {
    let moment = text.parse::<jiff::Timestamp>().map(|moment| Timestamp(moment.as_millisecond()));
    moment.map_err(|_| faults.add("scheduled_at", "must be a time such as 2026-11-21T12:00:00Z")).ok()
}
