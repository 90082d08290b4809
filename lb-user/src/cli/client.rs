//! Clients and prefixes as they are typed.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use ipnet::IpNet;

/// A client, or one of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// The source port of the connection in question, never 0.
    pub port: Option<u16>,
}

impl FromStr for Client {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self { address, port: None });
        }
        match text.parse::<SocketAddr>() {
            Ok(socket) if socket.port() != 0 => Ok(Self { address: socket.ip(), port: Some(socket.port()) }),
            Ok(_) => {
                Err("no connection comes from port 0; leave the port out to ask about the client".into())
            }
            Err(_) => Err("give 198.51.100.7, 198.51.100.7:40112, 2001:db8::7 or [2001:db8::7]:40112".into()),
        }
    }
}

/// An address stands for the prefix that holds just this one.
pub(super) fn prefix(text: &str) -> Result<IpNet, String> {
    let prefix = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => {
            text.parse().map_err(|_| "give an address such as 10.0.0.2, or a prefix such as 10.0.0.0/24")?
        }
    };
    if prefix.addr() != prefix.network() {
        let (whole, single) = (prefix.trunc(), prefix.addr());
        return Err(format!("the address has bits beyond the prefix; give {whole} or {single}"));
    }
    Ok(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_with_and_without_ports() {
        for (text, address, port) in [
            ("198.51.100.7", "198.51.100.7", None),
            ("198.51.100.7:80", "198.51.100.7", Some(80)),
            ("2001:db8::7", "2001:db8::7", None),
            ("[2001:db8::7]", "2001:db8::7", None),
            ("[2001:db8::7]:80", "2001:db8::7", Some(80)),
        ] {
            assert_eq!(text.parse(), Ok(Client { address: address.parse().unwrap(), port }), "{text}");
        }
        for bad in ["", "web", "198.51.100.7:0", "198.51.100.7:65536", "198.51.100.256", "[::1"] {
            assert!(bad.parse::<Client>().is_err(), "{bad}");
        }
    }

    #[test]
    fn prefixes_with_and_without_a_length() {
        for (text, expected) in
            [("10.0.0.2", "10.0.0.2/32"), ("10.0.0.0/24", "10.0.0.0/24"), ("2001:db8::1", "2001:db8::1/128")]
        {
            assert_eq!(prefix(text).map(|prefix| prefix.to_string()), Ok(expected.to_owned()), "{text}");
        }
        assert!(prefix("10.0.0.2/24").unwrap_err().ends_with("give 10.0.0.0/24 or 10.0.0.2"));
        for bad in ["", "lb-1", "10.0.0.0/33", "::/129", "10.0.0"] {
            assert!(prefix(bad).unwrap_err().starts_with("give an address"), "{bad}");
        }
    }
}
