//! `bodega health`: asks the store that runs on this machine with the same settings how it is.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use kernel::settings::Settings;
use serde_json::Value;

use crate::modules::StartError;

/// How long the store may take to answer. It asks its databases, which may hang.
const PATIENCE: Duration = Duration::from_secs(5);

/// Prints whether the store can serve, or with `live` whether it lives at all; the exit code is 1 where it does not.
///
/// # Errors
///
/// Where nobody answers at the management listener's address.
pub fn run(settings: &Settings, live: bool, json: bool) -> Result<ExitCode, StartError> {
    let address = &settings.server.management;
    let path = if live { "/livez" } else { "/readyz" };
    let answer = ask(address, path);
    let answer = answer.map_err(|error| StartError::Refused(format!("no store answers at {address}: {error}")))?;
    let (good, state) = understood(&answer)
        .ok_or_else(|| StartError::Refused(format!("whatever answers at {address} is not a store")))?;
    super::print(json, &state, || told(&state, good))?;
    Ok(match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Asks by hand: one request over one connection, for which a client would be the larger part of this command.
fn ask(address: &str, path: &str) -> io::Result<String> {
    let found = address.to_socket_addrs()?.next();
    let address = found.ok_or_else(|| io::Error::other("there is no such address"))?;
    let mut connection = TcpStream::connect_timeout(&reachable(address), PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    write!(connection, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Who listens on all addresses is reached on the loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => (),
    }
    address
}

/// Whether an answer says that all is well, and what it says.
fn understood(answer: &str) -> Option<(bool, Value)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?;
    Some((status == "200", serde_json::from_str(body).ok()?))
}

/// The checks that fail, a line each.
fn told(state: &Value, good: bool) -> String {
    let checks = state["checks"].as_object().into_iter().flatten();
    let failed = checks.filter(|(_, found)| *found != "ok");
    let lines: Vec<String> = failed
        .map(|(name, found)| format!("{name}: {}", found.as_str().unwrap_or_default()))
        .collect();
    match (good, lines.is_empty()) {
        (true, _) => "ok".to_owned(),
        (false, true) => "the store says that it is not well, and not why".to_owned(),
        (false, false) => lines.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_on_all_addresses_is_asked_on_the_loopback() {
        let reached = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:8082"), "127.0.0.1:8082");
        assert_eq!(reached("[::]:8082"), "[::1]:8082");
        assert_eq!(reached("10.0.0.7:8082"), "10.0.0.7:8082");
    }

    #[test]
    fn an_answer_is_good_bad_or_none() {
        let (good, state) = understood("HTTP/1.1 200 OK\r\na: b\r\n\r\n{\"alive\":true}").unwrap();
        assert!(good);
        assert_eq!(told(&state, good), "ok");
        let bad = "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"checks\":{\"cart\":\"gone\",\"user\":\"ok\"}}";
        let (good, state) = understood(bad).unwrap();
        assert_eq!((good, told(&state, good).as_str()), (false, "cart: gone"));
        assert!(understood("SSH-2.0-OpenSSH\r\n").is_none());
    }
}
