//! For trying.
fn main() -> std::process::ExitCode {
    let mut a: Vec<_> = std::env::args_os().skip(1).collect();
    let name = a.remove(0).into_string().unwrap();
    tools::run(&name, a).unwrap()
}
