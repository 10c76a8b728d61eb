//! What couriers work with, wherever they go.

use std::sync::Arc;

use crate::delivery::allowance::Allowance;
use crate::delivery::attempts::Attempts;
use crate::delivery::copies::Copies;
use crate::delivery::links::LinkNames;
use crate::delivery::signing::Signer;
use crate::delivery::verp::ReturnPaths;

/// What the couriers of an engine share. Clones share everything.
#[derive(Clone, Debug)]
pub struct Means {
    pub attempts: Attempts,
    /// Large copies of messages find their room here.
    pub copies: Copies,
    /// `None`: mail goes unsigned.
    pub signer: Option<Arc<Signer>>,
    /// `None`: what comes back is heard nowhere, and every reverse-path stays.
    pub return_paths: Option<Arc<ReturnPaths>>,
    /// `None`: mail has no links of ours.
    pub link_names: Option<Arc<LinkNames>>,
    /// `None`: no message has to ask for leave.
    pub allowance: Option<Arc<Allowance>>,
}

impl Means {
    /// Attempts, with nothing put on the mail and nobody to ask for leave.
    pub fn bare(attempts: Attempts) -> Self {
        Self { attempts, copies: Copies::default(), signer: None, return_paths: None, link_names: None, allowance: None }
    }
}
