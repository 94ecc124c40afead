//! `cargo multilane <verb>`: the engine, installed, for workspaces that have no xtask of their own.

fn main() -> std::process::ExitCode {
    multilane::installed(env!("CARGO_MANIFEST_DIR"))
}
