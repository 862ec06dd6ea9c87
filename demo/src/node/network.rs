//! Which addresses and servers are used to reach other devices.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use cuecard::transport::Backoff;
use cuecard::transport::webrtc::{Bind, Config, Server};

use crate::error::Error;

/// Public servers that tell a device its outer address. Whoever runs one learns the address of who asks, and nothing else:
/// no deck, no key, no other device. `--no-stun` asks none of them.
pub(crate) const PUBLIC_STUN: [&str; 2] = ["stun.l.google.com:19302", "stun.cloudflare.com:3478"];

/// They answer in a fraction of this, or not at all.
const GATHER_WITHIN: Duration = Duration::from_secs(2);
/// More relays than that in a file are a mistake.
const RELAY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// The network as this process uses it.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    bind: Bind,
    servers: Vec<Server>,
}

impl Network {
    /// `bind` is `hosts`, `loopback`, or addresses with commas between. `stun` are servers by `host:port`; on loopback none
    /// is asked. `relays` are lines of `host:port username password`.
    ///
    /// # Errors
    /// Where one of them is not of its form.
    pub(crate) fn new(bind: &str, stun: &[String], relays: &[String]) -> Result<Self, Error> {
        let bind = match bind {
            "hosts" => Bind::Hosts,
            "loopback" => Bind::Loopback,
            addresses => Bind::Addresses(
                addresses
                    .split(',')
                    .map(|address| {
                        let parsed: Result<IpAddr, _> = address.trim().parse();
                        parsed.map_err(|_| {
                            Error::Usage(format!(
                                "{address:?} is no address; --bind takes `hosts`, `loopback`, or addresses with \
                                 commas between"
                            ))
                        })
                    })
                    .collect::<Result<_, _>>()?,
            ),
        };
        let mut servers = Vec::new();
        if bind != Bind::Loopback {
            for server in stun {
                servers.push(Server::stun(with_port(server)?));
            }
        }
        for relay in relays {
            servers.push(parse_relay(relay)?);
        }
        Ok(Self { bind, servers })
    }

    pub(super) fn config(&self) -> Config {
        Config {
            bind: self.bind.clone(),
            servers: self.servers.clone(),
            gather_within: GATHER_WITHIN,
            ..Config::default()
        }
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff::default()
    }

    /// The settings of an endpoint with these servers alone.
    pub(crate) fn config_with(&self, servers: Vec<Server>) -> Config {
        Config {
            servers,
            ..self.config()
        }
    }

    pub(crate) fn servers(&self) -> &[Server] {
        &self.servers
    }
}

fn with_port(server: &str) -> Result<String, Error> {
    let named = server
        .rsplit_once(':')
        .filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    match named {
        Some(_) => Ok(server.to_owned()),
        None => Err(Error::Usage(format!(
            "{server:?} is no server; it is named as HOST:PORT, say {}",
            PUBLIC_STUN.first().copied().unwrap_or_default()
        ))),
    }
}

/// The lines of a file of relays. It holds passwords, so it must be its user's alone.
///
/// # Errors
/// When it cannot be read, or others can.
pub(crate) fn read_relays(file: &Path) -> Result<Vec<String>, Error> {
    let failed = |error| Error::file(file, error);
    let about = std::fs::metadata(file).map_err(failed)?;
    if about.len() > RELAY_FILE_BYTES_MAX {
        return Err(Error::Usage(format!(
            "{} is too long to be a file of relays",
            file.display()
        )));
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 != 0 {
        return Err(Error::Usage(format!(
            "other users can read the passwords in {0}; close it with `chmod 600 {0}`",
            file.display()
        )));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    Ok(lines_of(&text))
}

/// Lines that are neither empty nor comments.
pub(crate) fn lines_of(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Never says what it was given: it holds a password.
fn parse_relay(line: &str) -> Result<Server, Error> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(host), Some(username), Some(password), None) => {
            Ok(Server::turn(with_port(host)?, username, password))
        }
        _ => Err(Error::Usage(
            "a relay is named by a line of HOST:PORT USERNAME PASSWORD".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_asks_no_server_and_hosts_asks_those_given() {
        let stun = PUBLIC_STUN.map(str::to_owned);
        assert!(Network::new("loopback", &stun, &[]).unwrap().servers.is_empty());
        assert_eq!(Network::new("hosts", &stun, &[]).unwrap().servers.len(), 2);
        assert!(Network::new("127.0.0.1,::1", &[], &[]).is_ok());
        assert!(Network::new("elsewhere", &[], &[]).is_err());
        assert!(Network::new("hosts", &["stun.example.org".to_owned()], &[]).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_relay_is_said_without_its_password() {
        let wrong = Network::new("hosts", &[], &["relay.example.org:3478 hunter2".to_owned()]);
        assert!(!wrong.unwrap_err().to_string().contains("hunter2"));
        let right = Network::new("hosts", &[], &["relay.example.org:3478 ann hunter2".to_owned()]).unwrap();
        assert!(!format!("{right:?}").contains("hunter2"));
    }
}
