//! Addresses, sockets and servers: what works from here.

use std::time::{Duration, Instant};

use cuecard::transport::DeviceKey;
use cuecard::transport::invite::Code;
use cuecard::transport::webrtc::{Config, Server, WebRtc};

use crate::error::{Error, Kind};
use crate::node::network::Network;

use super::Findings;

/// A link within one machine takes a fraction of that.
const LINK_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn look(network: &Network, findings: &mut Findings) {
    // A key of nobody: what is looked at is the machine, and no device need be there.
    let key = match DeviceKey::generate() {
        Ok(key) => key,
        Err(error) => {
            return findings.wrong(
                "sockets",
                Kind::Failed,
                format!("the system has no randomness to give: {error}"),
                "look after the system",
            );
        }
    };
    addresses(network, &key, findings).await;
    loopback(&key, findings).await;
    if network.servers().is_empty() {
        findings.note(
            "servers",
            "none is asked",
            "devices in one network need none; behind address translators, allow --stun or name a relay with --turn",
        );
    }
    for server in network.servers() {
        ask(network, &key, server, findings).await;
    }
}

async fn addresses(network: &Network, key: &DeviceKey, findings: &mut Findings) {
    let webrtc = WebRtc::new(key.clone(), network.config_with(Vec::new()));
    let offered = match webrtc.offer().await {
        Ok(offer) => offer,
        Err(error) => {
            let error = Error::from(error);
            return findings.wrong(
                "addresses",
                Kind::Unreachable,
                error.to_string(),
                "let this user open UDP sockets, or name addresses of this machine with --bind",
            );
        }
    };
    let addresses = Code::decode(&offered.code()).map_or_else(|_| Vec::new(), |code| code.addresses);
    if addresses.is_empty() {
        return findings.wrong(
            "addresses",
            Kind::Unreachable,
            "this machine has no address that others could reach",
            "connect it to a network; within one machine, --bind loopback is enough",
        );
    }
    let told: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    findings.well("addresses", told.join(", "));
}

/// Two ends in this process: what sockets, certificates and ciphers can do here.
async fn loopback(key: &DeviceKey, findings: &mut Findings) {
    let began = Instant::now();
    let linking = async {
        let other = DeviceKey::generate().map_err(|error| error.to_string())?;
        let here = WebRtc::new(key.clone(), Config::loopback());
        let there = WebRtc::new(other, Config::loopback());
        let failed = |error: cuecard::transport::DialError| error.to_string();
        let offer = here.offer().await.map_err(failed)?;
        let answer = there.answer(&offer.code()).await.map_err(failed)?;
        let code = answer.code();
        let (one, two) = tokio::try_join!(offer.accept(&code), answer.connect()).map_err(failed)?;
        tokio::join!(
            one.link.close(cuecard::transport::CloseReason::Here),
            two.link.close(cuecard::transport::CloseReason::Here)
        );
        Ok::<_, String>(())
    };
    match tokio::time::timeout(LINK_WITHIN, linking).await {
        Ok(Ok(())) => findings.well(
            "link",
            format!(
                "WebRTC within this machine, in {} ms",
                began.elapsed().as_millis()
            ),
        ),
        Ok(Err(why)) => findings.wrong(
            "link",
            Kind::Unreachable,
            format!("no link within this machine: {why}"),
            "let this user send UDP on loopback; a firewall may forbid it",
        ),
        Err(_) => findings.wrong(
            "link",
            Kind::Unreachable,
            format!("no link within this machine in {} s", LINK_WITHIN.as_secs()),
            "a firewall may forbid UDP on loopback, or the machine is very busy",
        ),
    }
}

async fn ask(network: &Network, key: &DeviceKey, server: &Server, findings: &mut Findings) {
    let webrtc = WebRtc::new(key.clone(), network.config_with(Vec::new()));
    // Neither name nor password of a relay is in this.
    let name = format!("{server:?}");
    match webrtc.ask_server(server).await {
        Ok(seen) if !seen.is_empty() => {
            let seen: Vec<String> = seen.iter().map(|address| address.ip().to_string()).collect();
            findings.well("servers", format!("{name} answers: {}", seen.join(", ")));
        }
        Ok(_) => findings.note(
            "servers",
            format!("{name} does not answer"),
            "UDP to it may be blocked; devices in one network need no server, others may need a relay (--turn)",
        ),
        Err(error) => findings.wrong(
            "servers",
            Kind::Unreachable,
            format!("{name} cannot be asked: {error}"),
            "let this user open UDP sockets",
        ),
    }
}
