//! `config-schema`: what may stand in a configuration, for editors.

use std::io::Write;

use super::{Failure, print_json};

pub(super) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    print_json(&mcphub_conf::schema(), out)
}
