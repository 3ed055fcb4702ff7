//! `completions` and `man`: help outside the program, made from the same words as `--help`.

use std::io::Write;

use super::Failure;

/// Flags of `completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell. For bash: `mcphub-edge completions bash > /etc/bash_completion.d/mcphub-edge`.
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args, command: &mut clap::Command, out: &mut dyn Write) -> Result<(), Failure> {
    let name = command.get_name().to_owned();
    // Into memory first: the generator panics where a write fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, name, &mut script);
    Ok(out.write_all(&script)?)
}

/// The manual page: the program, then one section for each verb.
pub(super) fn man(mut command: clap::Command, out: &mut dyn Write) -> Result<(), Failure> {
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let name = format!("mcphub-edge {}", verb.get_name());
        let man = clap_mangen::Man::new(verb.clone().display_name(&name));
        let mut section = Vec::new();
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        let section = String::from_utf8_lossy(&section).into_owned();
        // Sections of the page, subsections of the verb.
        writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
        page.extend_from_slice(section.replace(".SH ", ".SS ").as_bytes());
    }
    Ok(out.write_all(&page)?)
}
