//! What is wrong with a value, and where.

use std::fmt;

/// What sort of trouble it is, which decides the code of the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The bytes are not of the codec.
    Malformed,
    /// The value is not of the type.
    Mismatch,
    /// The codec cannot say this value; another may.
    TooWide,
    /// No codec can say this value.
    Unsayable,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// A value that cannot be read or written, with the JSON Pointer of the place.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    trouble: Trouble,
    message: String,
    /// From the inside out: steps are added while the error travels up, so that values without errors pay nothing.
    steps: Vec<Step>,
}

impl Error {
    pub(crate) fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { trouble, message: message.into(), steps: Vec::new() }))
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Error::new(Trouble::Malformed, message)
    }

    pub(crate) fn unsayable(message: impl Into<String>) -> Self {
        Error::new(Trouble::Unsayable, message)
    }

    #[cold]
    pub(crate) fn at_key(mut self, key: &str) -> Self {
        self.0.steps.push(Step::Key(key.to_string()));
        self
    }

    #[cold]
    pub(crate) fn at_index(mut self, index: usize) -> Self {
        self.0.steps.push(Step::Index(index));
        self
    }

    /// What sort of trouble it is.
    pub fn trouble(&self) -> Trouble {
        self.0.trouble
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The place as a JSON Pointer (RFC 6901); empty for the whole value.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in self.0.steps.iter().rev() {
            path.push('/');
            match step {
                Step::Key(key) => path.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Step::Index(index) => path.push_str(&index.to_string()),
            }
        }
        path
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        if path.is_empty() {
            f.write_str(&self.0.message)
        } else {
            write!(f, "{path}: {}", self.0.message)
        }
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error::new(Trouble::Mismatch, message.to_string())
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error::unsayable(message.to_string())
    }
}
