//! `mcphub-edge`.

use clap::Parser as _;
use mcphub_gateway::{Gateway, cli};
use std::process::ExitCode;

/// What a request costs must not grow with the sessions that are known. With the allocator of the C library it does, by
/// a tenth at a hundred thousand: its free lists get long. This one keeps sizes apart, and is faster by a twentieth besides.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse(), &Gateway)
}
