//! Flags → config → run → exit code: 64 for bad usage, 1 when stopped by an error.

use backend::config::{self, Command, Flags, LoggingFormat};
use backend::{app, demo, doctor, manifests};
use clap::Parser as _;
use std::io::Write as _;
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
        Command::Doctor(doctor) => return diagnose(doctor),
        Command::Manifests(flags) => {
            // The reader being gone is no reason for another exit code.
            let _ = std::io::stdout().lock().write_all(manifests::manifests(flags.delete).as_bytes());
            return ExitCode::SUCCESS;
        }
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
        // Answered above.
        Command::Doctor(_) | Command::Manifests(_) => Ok(()),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// 0 when nothing is broken, 1 otherwise.
fn diagnose(flags: &config::Doctor) -> ExitCode {
    if let Err(error) = flags.serve.check() {
        for sentence in &error.0 {
            eprintln!("{sentence}");
        }
        return ExitCode::from(EX_USAGE);
    }
    match doctor::run(flags) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
