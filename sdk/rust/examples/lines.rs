//! Calls `py.pid` for each line that it reads, and prints the reply or the fault's code, for the tests:
//! `lines ADDRESS`, or `lines PROJECT`, which it hosts.

use dragoman::{Client, Empty, Fault};
use std::io::BufRead;

fn answer(client: &Client) {
    for line in std::io::stdin().lock().lines() {
        match (line, client.call_blocking::<_, i64>("py.pid", Empty {})) {
            (Err(_), _) => return,
            (_, Ok(pid)) => println!("{pid}"),
            (_, Err(fault)) => println!("{:?}", fault.code),
        }
    }
}

fn main() -> Result<(), Fault> {
    let at = std::env::args().nth(1).unwrap_or_else(|| ".".to_string());
    if at.contains("://") {
        answer(&Client::dial(&at)?);
    } else {
        answer(&*dragoman::open(at)?);
    }
    Ok(())
}
