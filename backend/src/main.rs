//! Flags → config → run → exit code: 64 for bad usage, 1 when stopped by an error.

use backend::config::{self, Command, Flags, LoggingFormat};
use backend::{app, demo};
use clap::Parser as _;
use std::process::ExitCode;
use tracing::{error, info, warn};

/// Gives memory back after a relist; glibc keeps it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// `EX_USAGE` of sysexits.h; clap's own 2 means something else to shells and init systems.
const EX_USAGE: u8 = 64;

fn main() -> ExitCode {
    let spelled = match config::spelled(std::env::args_os()) {
        Ok(spelled) => spelled,
        Err(error) => {
            app::start_logging(0, LoggingFormat::Text);
            error!("{error}");
            return ExitCode::from(EX_USAGE);
        }
    };
    let flags = match Flags::try_parse_from(spelled.arguments) {
        Ok(flags) => flags,
        Err(error) => {
            // The terminal being gone is no reason for another exit code.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match &flags.command {
        Command::Serve(serve) => app::start_logging(serve.verbosity, serve.logging_format),
        Command::Demo(_) => app::start_logging(0, LoggingFormat::Text),
    }
    info!(version = env!("CARGO_PKG_VERSION"), "taffrail");
    for warning in &spelled.warnings {
        warn!("{warning}");
    }
    let stop = app::signals();
    let end = match flags.command {
        Command::Serve(serve) => {
            if let Err(error) = serve.check() {
                for sentence in &error.0 {
                    error!("{sentence}");
                }
                return ExitCode::from(EX_USAGE);
            }
            app::run(&serve, stop)
        }
        Command::Demo(flags) => demo::run(&flags, stop),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
