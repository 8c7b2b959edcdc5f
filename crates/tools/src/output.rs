//! Standard output for programs whose reader may go away (`| head`): that ends them quietly, as SIGPIPE would. The signal
//! itself stays off, for a broker that closes its connection is no reason to end.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// What a shell says of a process that SIGPIPE ended.
const NO_READER: i32 = 141;

/// `println!` that ends the process where nobody reads any more.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}
pub(crate) use say;

pub fn line(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_fmt(text).and_then(|()| out.write_all(b"\n")) {
        drop(out);
        cannot_print(error.kind() == ErrorKind::BrokenPipe, &format!("failed printing to stdout: {error}"));
    }
}

/// From here on `print!`, `println!`, `eprint!` and `eprintln!` end the process without a panic's words, wherever they are,
/// where they cannot write. For programs that talk, not for servers: theirs goes on.
pub fn end_without_reader() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // the standard library's words: what else there is to know of the error is in them alone
        match panic.payload().downcast_ref::<String>() {
            Some(text) if text.starts_with("failed printing to std") => {
                cannot_print(text.contains("Broken pipe"), text);
            }
            _ => tell(panic),
        }
    }));
}

fn cannot_print(no_reader: bool, text: &str) -> ! {
    if no_reader {
        std::process::exit(NO_READER);
    }
    let _ = writeln!(std::io::stderr(), "{text}");
    std::process::exit(1);
}
