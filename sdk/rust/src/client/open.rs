//! A host for a project, as a child of this program.

use super::{Client, Options};
use crate::fault::{Code, Fault, Started};
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is kept of a host's log, for the fault of one that does not start.
const TAIL_BYTES: usize = 4096;
/// A host that is told to stop has so long; its calls in flight are nobody's any more.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How a host is started.
#[derive(Clone, Debug)]
pub struct HostOptions {
    program: Option<PathBuf>,
    patience: Duration,
    quiet: bool,
}

impl Default for HostOptions {
    fn default() -> HostOptions {
        HostOptions { program: None, patience: Duration::from_secs(600), quiet: false }
    }
}

impl HostOptions {
    /// The program `dragoman`; else the environment's `DRAGOMAN` says which, else it is looked for on PATH.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> HostOptions {
        self.program = Some(program.into());
        self
    }

    /// How long it may take until calls are taken: ten minutes, unless said otherwise, since sources may be built.
    #[must_use]
    pub fn patience(mut self, span: Duration) -> HostOptions {
        self.patience = span;
        self
    }

    /// Keep its log from this program's standard error.
    #[must_use]
    pub fn quiet(mut self) -> HostOptions {
        self.quiet = true;
        self
    }

    /// Start a host for a project, and connect to it.
    pub fn open(self, project: impl AsRef<Path>) -> Result<Host, Fault> {
        let folder = private_folder()?;
        let address = format!("unix://{}", folder.0.join("host.sock").display());
        let program = self.program.or_else(|| std::env::var_os("DRAGOMAN").map(PathBuf::from));
        let program = program.unwrap_or_else(|| PathBuf::from("dragoman"));
        let mut command = Command::new(&program);
        command.arg("serve").arg(project.as_ref()).args(["--native", &address]);
        command.args(["--no-http", "--exit-with-stdin", "--json"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Running(command.spawn().map_err(|error| {
            failed(format!(
                "{} cannot be started: {error}; install dragoman, or name it in DRAGOMAN",
                program.display()
            ))
        })?);
        let tail = child.0.stderr.take().map(|pipe| follow(pipe, self.quiet)).unwrap_or_default();
        let ready = child.0.stdout.take().map(first_line);
        let until = Instant::now() + self.patience;
        let told = ready.map_or(Err(RecvTimeoutError::Disconnected), |ready| ready.recv_timeout(self.patience));
        match told {
            Ok(line) if line.starts_with('{') => {}
            Err(RecvTimeoutError::Timeout) => {
                return Err(failed(format!("the host took longer than {:?} to start", self.patience)));
            }
            _ => {
                let status = wait(&mut child.0, until.min(Instant::now() + STOP_PATIENCE));
                let log = tail.lock().unwrap_or_else(PoisonError::into_inner).clone();
                return Err(failed(format!("the host did not start ({status}): {}", log.trim())));
            }
        }
        let client = Options::default().dial(&address)?;
        Ok(Host { client, child, _folder: folder })
    }
}

/// Start a host for a project (a folder with a `dragoman.toml`, or one source) as a child that ends with this program,
/// and connect to it.
///
/// ```no_run
/// # fn main() -> Result<(), dragoman::Fault> {
/// let shop = dragoman::open("shop/")?;
/// let sum: i64 = shop.call_blocking("sums.add", &serde_json::json!({"a": 1, "b": 2}))?;
/// # Ok(())
/// # }
/// ```
pub fn open(project: impl AsRef<Path>) -> Result<Host, Fault> {
    HostOptions::default().open(project)
}

/// A host that is a child of this program, and a client to it. The host stops when this is dropped, or when this
/// program ends in whatever way: it holds the other end of its standard input.
pub struct Host {
    client: Client,
    child: Running,
    _folder: Folder,
}

impl Host {
    /// How to start one, in more words.
    pub fn options() -> HostOptions {
        HostOptions::default()
    }

    /// The process of the host.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }
}

impl Deref for Host {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.client.close(Duration::ZERO);
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        wait(&mut self.0, Instant::now() + STOP_PATIENCE);
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait(child: &mut Child, until: Instant) -> String {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.to_string(),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            _ => return "still running".to_string(),
        }
    }
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A folder that only this user may enter.
fn private_folder() -> Result<Folder, Fault> {
    use std::hash::{BuildHasher, Hasher};
    let base = std::env::temp_dir();
    let mut last = String::new();
    for _ in 0..16 {
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let path = base.join(format!("dragoman-{random:016x}"));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(Folder(path)),
            Err(error) => last = format!("{}: {error}", path.display()),
        }
    }
    Err(failed(format!("no private folder for the host's socket: {last}")))
}

/// Pass a log on, and keep its end.
fn follow(pipe: impl Read + Send + 'static, quiet: bool) -> Arc<Mutex<String>> {
    let tail = Arc::new(Mutex::new(String::new()));
    let kept = tail.clone();
    let act = move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.by_ref().take(64 * 1024).read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if !quiet {
                let _ = std::io::stderr().write_all(&line);
            }
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push_str(&String::from_utf8_lossy(&line));
            let over = kept.len().saturating_sub(TAIL_BYTES);
            if let Some(cut) = (over..kept.len()).find(|at| over > 0 && kept.is_char_boundary(*at)) {
                kept.drain(..cut);
            }
            line.clear();
        }
    };
    let _ = std::thread::Builder::new().name("dragoman-host-log".to_string()).spawn(act);
    tail
}

/// The first line of a pipe, once it is there; the rest is read and dropped.
fn first_line(pipe: impl Read + Send + 'static) -> std::sync::mpsc::Receiver<String> {
    let (sender, receiver) = channel();
    let act = move || {
        let mut lines = BufReader::new(pipe);
        let mut line = String::new();
        if lines.by_ref().take(16 << 20).read_line(&mut line).is_ok() && !line.is_empty() {
            let _ = sender.send(line);
        }
        drop(sender);
        let _ = std::io::copy(&mut lines, &mut std::io::sink());
    };
    let _ = std::thread::Builder::new().name("dragoman-host-out".to_string()).spawn(act);
    receiver
}

fn failed(detail: String) -> Fault {
    Fault::new(Code::Unavailable, detail).with_started(Started::No)
}
