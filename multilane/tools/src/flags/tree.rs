//! The whole command line as one tree, for completion and `docs/cli.md`: the engine's verbs, which
//! hold the names of ours, with ours in their places.

use clap::{Command, CommandFactory as _};

use crate::flags::Tools;

/// Ready to be asked for help and usage.
pub(crate) fn tree() -> Command {
    let mut root = merged(multilane::command(), &Tools::command());
    root.build();
    root
}

fn merged(engine: Command, tools: &Command) -> Command {
    engine.mut_subcommands(|verb| match tools.find_subcommand(verb.get_name()) {
        Some(ours) if verb.has_subcommands() => merged(verb, ours),
        Some(ours) => ours.clone(),
        None => verb,
    })
}

/// Whether what is not one of its options goes to cargo.
pub(crate) fn takes_cargos_options(verb: &Command) -> bool {
    verb.clone().render_usage().to_string().contains("[CARGO OPTIONS]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible(command: &Command) -> impl Iterator<Item = &Command> {
        command.get_subcommands().filter(|verb| !verb.is_hide_set())
    }

    /// The engine lists our verbs without their options, which none of its own is without.
    #[test]
    fn the_engines_table_has_our_names_and_first_lines() {
        let (engine, ours) = (multilane::command(), Tools::command());
        let groups = [
            (&engine, &ours),
            (
                engine.find_subcommand("lane").expect("a group"),
                ours.find_subcommand("lane").expect("a group"),
            ),
        ];
        let mut problems = Vec::new();
        for (engine, ours) in groups {
            let line = |verb: &Command| {
                format!(
                    "{}: {}",
                    verb.get_name(),
                    verb.get_about().map(ToString::to_string).unwrap_or_default()
                )
            };
            let is_ours =
                |verb: &&Command| verb.get_arguments().next().is_none() && !verb.has_subcommands();
            let is_single = |verb: &&Command| !verb.is_subcommand_required_set();
            let mut listed: Vec<String> = visible(engine).filter(is_ours).map(line).collect();
            let mut own: Vec<String> = visible(ours).filter(is_single).map(line).collect();
            listed.sort();
            own.sort();
            problems.extend(
                listed
                    .iter()
                    .filter(|line| !own.contains(line))
                    .map(|line| format!("engine: {line}")),
            );
            problems.extend(
                own.iter()
                    .filter(|line| !listed.contains(line))
                    .map(|line| format!("tools:  {line}")),
            );
        }
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    }
}
