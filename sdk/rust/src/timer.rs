//! Moments to be woken at. One thread, started by the first of them, serves the whole process.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

type Action = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Clock {
    due: Mutex<(BTreeMap<(Instant, u64), Action>, u64)>,
    bell: Condvar,
}

static CLOCK: OnceLock<&'static Clock> = OnceLock::new();

fn clock() -> &'static Clock {
    CLOCK.get_or_init(|| {
        let clock: &'static Clock = Box::leak(Box::default());
        let started = std::thread::Builder::new().name("dragoman-timer".to_string()).spawn(move || clock.run());
        if started.is_err() {
            eprintln!("dragoman: no thread for the timer; deadlines are left to the host");
        }
        clock
    })
}

impl Clock {
    fn lock(&self) -> MutexGuard<'_, (BTreeMap<(Instant, u64), Action>, u64)> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut due = self.lock();
        loop {
            let now = Instant::now();
            match due.0.first_key_value().map(|((at, _), _)| *at) {
                Some(at) if at <= now => {
                    if let Some((_, action)) = due.0.pop_first() {
                        drop(due);
                        action();
                        due = self.lock();
                    }
                }
                Some(at) => {
                    due = self.bell.wait_timeout(due, at - now).unwrap_or_else(PoisonError::into_inner).0;
                }
                None => due = self.bell.wait(due).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// Something that will happen, unless this is dropped before.
pub struct Alarm(Instant, u64);

impl Alarm {
    /// Do something at a moment. It runs on the timer's thread, so it must be quick and must not panic.
    pub fn set(at: Instant, action: impl FnOnce() + Send + 'static) -> Alarm {
        let clock = clock();
        let mut due = clock.lock();
        due.1 += 1;
        let key = (at, due.1);
        due.0.insert(key, Box::new(action));
        if due.0.first_key_value().is_some_and(|(first, _)| *first == key) {
            clock.bell.notify_one();
        }
        Alarm(key.0, key.1)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let action = clock().lock().0.remove(&(self.0, self.1));
        drop(action);
    }
}

/// A future that is ready at a moment.
pub struct Sleep {
    at: Instant,
    alarm: Option<(Alarm, Waker)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        if !self.alarm.as_ref().is_some_and(|(_, waker)| waker.will_wake(context.waker())) {
            let waker = context.waker().clone();
            self.alarm = Some((
                Alarm::set(self.at, {
                    let waker = waker.clone();
                    move || waker.wake()
                }),
                waker,
            ));
        }
        Poll::Pending
    }
}

/// Wait for a while, without a thread of its own.
pub fn sleep(span: Duration) -> Sleep {
    let now = Instant::now();
    // A century is as good as for ever.
    let at = now.checked_add(span).unwrap_or_else(|| now + Duration::from_secs(3_155_760_000));
    Sleep { at, alarm: None }
}
