//! `limpet`: parses the command line, runs the command, and prints what went wrong with all its causes.

use std::process::ExitCode;

use clap::Parser;
use lb_user::{
    cli::{Cli, Command},
    commands,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    dispatch(&cli).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        for cause in error.chain().skip(1) {
            eprintln!("  caused by: {cause}");
        }
        ExitCode::FAILURE
    })
}

fn dispatch(cli: &Cli) -> anyhow::Result<ExitCode> {
    match &cli.command {
        Command::Check(args) => commands::check::run(args),
        Command::Status(args) => commands::status::run(&cli.socket, args),
        Command::Explain(args) => commands::explain::run(&cli.socket, args),
        Command::Reload(args) => commands::reload::run(&cli.socket, args),
        Command::Backend(args) => commands::backend::run(&cli.socket, args),
        Command::Plan(args) => commands::plan::run(&cli.socket, args),
        Command::Events(args) => commands::events::run(&cli.socket, args),
        Command::Sessions(args) => commands::sessions::run(&cli.socket, args),
        Command::QuicId(args) => commands::quic_id::run(args),
        Command::Run(args) => commands::run::run(&cli.socket, args),
        Command::Decap(args) => commands::decap::run(args),
        Command::Demo(args) => commands::demo::run(args),
    }
}
