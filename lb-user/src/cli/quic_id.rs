//! Options of `limpet quic-id`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lb_common::quic::scheme::Key;

use crate::config::hex;

/// Options of `limpet quic-id`.
#[derive(Debug, Args)]
pub struct QuicIdArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: QuicIdAction,
}

/// What to do with a connection ID.
#[derive(Debug, Subcommand)]
pub enum QuicIdAction {
    /// Make a connection ID, as a server must
    #[command(after_help = "Examples:\n  \
        limpet quic-id encode --config /etc/limpet.toml --service h3 --backend h3-1\n  \
        limpet quic-id encode --config-id 0 --server-id ed793a --nonce ee080dbf")]
    Encode(EncodeArgs),
    /// Read the server ID from a connection ID
    ///
    /// Exits with 1 if it names no server.
    #[command(after_help = "Examples:\n  \
        limpet quic-id decode --config /etc/limpet.toml --service h3 0720b1d07b359d3c\n  \
        limpet quic-id decode --server-id-length 3 --nonce-length 4 07c4605e4504cc4f")]
    Decode(DecodeArgs),
}

/// Options of `limpet quic-id encode`.
#[derive(Debug, Args)]
pub struct EncodeArgs {
    /// Take the settings of a service from this configuration file
    #[arg(long, value_name = "FILE", requires = "service", requires = "backend")]
    pub config: Option<PathBuf>,
    /// Name of the service
    #[arg(long, value_name = "SERVICE", requires = "config")]
    pub service: Option<String>,
    /// Name of the backend whose server ID it is to carry
    #[arg(long, value_name = "BACKEND", requires = "config")]
    pub backend: Option<String>,
    /// Number of the configuration, 0 to 6 [default with --config: the service's first]
    #[arg(long, value_name = "N", required_unless_present = "config")]
    pub config_id: Option<u8>,
    /// Server ID in hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = octets, required_unless_present = "config", conflicts_with = "config")]
    pub server_id: Option<Octets>,
    /// AES-128 key in hexadecimal digits; without one the ID is not enciphered
    #[arg(long, value_name = "HEX", value_parser = key, env = "LIMPET_QUIC_KEY", hide_env_values = true)]
    pub key: Option<Key>,
    /// Nonce in hexadecimal digits [default: random]
    #[arg(long, value_name = "HEX", value_parser = octets)]
    pub nonce: Option<Octets>,
    /// Length of a random nonce in octets
    #[arg(long, value_name = "N", default_value_t = 8, conflicts_with_all = ["nonce", "config"])]
    pub nonce_length: u8,
    /// Fill the rest of the first octet at random, instead of with the ID's length
    #[arg(long)]
    pub first_octet_random: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `limpet quic-id decode`.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// The connection ID in hexadecimal digits
    #[arg(value_name = "ID", value_parser = octets)]
    pub id: Octets,
    /// Take the settings of a service from this configuration file
    #[arg(long, value_name = "FILE", requires = "service")]
    pub config: Option<PathBuf>,
    /// Name of the service
    #[arg(long, value_name = "SERVICE", requires = "config")]
    pub service: Option<String>,
    /// Length of the server ID in octets
    #[arg(long, value_name = "N", required_unless_present = "config", conflicts_with = "config")]
    pub server_id_length: Option<u8>,
    /// Length of the nonce in octets
    #[arg(long, value_name = "N", required_unless_present = "config", conflicts_with = "config")]
    pub nonce_length: Option<u8>,
    /// AES-128 key in hexadecimal digits; without one the ID is not enciphered
    #[arg(long, value_name = "HEX", value_parser = key, env = "LIMPET_QUIC_KEY", hide_env_values = true)]
    pub key: Option<Key>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Octets in hexadecimal digits. Not a bare list, which clap would take for an option given several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Octets(pub Vec<u8>);

fn octets(text: &str) -> Result<Octets, String> {
    hex(text).map(Octets).ok_or_else(|| "give hexadecimal digits, two for each octet".to_owned())
}

fn key(text: &str) -> Result<Key, String> {
    let key = hex(text).and_then(|octets| octets.try_into().ok());
    key.map(Key).ok_or_else(|| "give 16 octets as 32 hexadecimal digits".to_owned())
}
