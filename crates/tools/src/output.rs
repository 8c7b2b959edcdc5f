//! Standard output for tools whose reader may go away (`| head`): that ends the tool quietly.

use std::fmt::Arguments;
use std::io::Write;

/// `println!` that ends the process where nobody reads any more.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}
pub(crate) use say;

pub fn line(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if out.write_fmt(text).and_then(|()| out.write_all(b"\n")).is_err() {
        std::process::exit(1);
    }
}
