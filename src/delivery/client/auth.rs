//! AUTH as a client (RFC 4954): PLAIN (RFC 4616), or LOGIN where nothing better is offered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::delivery::client::connection::Connection;
use crate::delivery::client::error::{ClientError, Step};

/// A user name and password. Its `Debug` shows neither.
#[derive(Clone)]
pub struct Login {
    pub username: String,
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(..)")
    }
}

impl Connection {
    /// Logs in. Never over a network in the clear.
    pub async fn authenticate(&mut self, login: &Login) -> Result<(), ClientError> {
        if !self.is_private() {
            return Err(ClientError::Insecure("the password is not sent without TLS".to_owned()));
        }
        if self.extensions().auth_plain {
            let response = STANDARD.encode(format!("\0{}\0{}", login.username, login.password));
            self.say(&format!("AUTH PLAIN {response}"), Step::Auth, 235).await
        } else if self.extensions().auth_login {
            self.say("AUTH LOGIN", Step::Auth, 334).await?;
            self.say(&STANDARD.encode(&login.username), Step::Auth, 334).await?;
            self.say(&STANDARD.encode(&login.password), Step::Auth, 235).await
        } else {
            Err(ClientError::Insecure("the next hop offers neither AUTH PLAIN nor AUTH LOGIN".to_owned()))
        }
    }

    /// Says one line of the exchange and wants one code.
    async fn say(&mut self, line: &str, step: Step, wanted: u16) -> Result<(), ClientError> {
        let reply = self.command(line, step).await?;
        if reply.code == wanted { Ok(()) } else { Err(ClientError::Refused(step, reply)) }
    }
}
