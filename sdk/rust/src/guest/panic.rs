//! Panics of user code, caught and told.

use crate::fault::Fault;
use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe};

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Have every panic leave its place, besides what the hook before this one does (which prints it, and that is log).
pub fn install() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or(String::new(), |place| format!("panicked at {place}\n"));
        // Symbols are looked up only where the environment asks for it.
        let trace = std::backtrace::Backtrace::capture();
        let told = match trace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("{place}{trace}"),
            _ => place,
        };
        LAST.with(|last| *last.borrow_mut() = Some(told));
        before(panic);
    }));
}

/// Run something; its panic is a fault.
pub fn caught<T>(act: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_string(),
            (_, Some(text)) => text.clone(),
            _ => "a value that is no text".to_string(),
        };
        // Dropping what was thrown may throw again; then it is leaked.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        let mut fault = Fault::unknown(format!("panic: {message}"));
        fault.traceback = LAST.with(|last| last.borrow_mut().take()).unwrap_or_default();
        fault
    })
}
