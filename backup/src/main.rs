//! `casskop-backup`: what the Jobs of a backup run.

fn main() -> std::process::ExitCode {
    casskop_backup::run(std::env::args_os())
}
