//! Large bodies in shared memory: the arena that the host writes, and the one that this side writes.
//!
//! Regions of the own arena are given out from the lowest free offset, so that the same warm pages serve one body after
//! the other: a first touch costs more than the copy.

use crate::line::{Link, Returned};
use crate::os::Mapping;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, OnceLock, Weak};

const ALIGNMENT: u64 = 64;

/// A memory file, mapped when it is first needed.
pub struct Arena {
    file: OwnedFd,
    /// Its bytes.
    pub size: u64,
    writable: bool,
    mapping: OnceLock<Option<Mapping>>,
}

impl Arena {
    /// Of an inherited descriptor.
    pub fn new(file: OwnedFd, writable: bool) -> std::io::Result<Arena> {
        let file = std::fs::File::from(file);
        let size = file.metadata()?.len();
        Ok(Arena { file: file.into(), size, writable, mapping: OnceLock::new() })
    }

    /// The mapping; `None` where the kernel refused it.
    pub fn mapping(&self) -> Option<&Mapping> {
        let map = || Mapping::new(self.file.as_raw_fd(), usize::try_from(self.size).ok()?, self.writable).ok();
        self.mapping.get_or_init(map).as_ref()
    }
}

/// Both arenas of a worker.
pub struct Arenas {
    /// What the host writes.
    pub incoming: Arena,
    /// What this side writes.
    pub outgoing: Arena,
}

/// Which regions of the own arena are free.
#[derive(Debug, Default)]
pub struct Regions {
    /// Free spans by offset; neighbours are always joined.
    free: BTreeMap<u64, u64>,
    given: BTreeMap<u64, u64>,
}

impl Regions {
    /// Of an arena that is all free.
    pub fn new(size: u64) -> Regions {
        let free = if size == 0 { BTreeMap::new() } else { BTreeMap::from([(0, size)]) };
        Regions { free, given: BTreeMap::new() }
    }

    /// A region for so many bytes, if there is room.
    pub fn give(&mut self, size: u64) -> Option<u64> {
        let size = size.checked_next_multiple_of(ALIGNMENT).filter(|size| *size > 0)?;
        let (offset, span) =
            self.free.iter().find(|(_, span)| **span >= size).map(|(offset, span)| (*offset, *span))?;
        self.free.remove(&offset);
        if span > size {
            self.free.insert(offset + size, span - size);
        }
        self.given.insert(offset, size);
        Some(offset)
    }

    /// Take a region back.
    pub fn take_back(&mut self, offset: u64) {
        let Some(mut size) = self.given.remove(&offset) else {
            return;
        };
        let mut start = offset;
        if let Some(after) = self.free.remove(&(offset + size)) {
            size += after;
        }
        if let Some((before, span)) = self.free.range(..offset).next_back().map(|(at, span)| (*at, *span)) {
            if before + span == offset {
                start = before;
                size += span;
            }
        }
        self.free.insert(start, size);
    }
}

/// A region that the host lent: it goes back when this is dropped.
pub struct Region {
    arenas: Arc<Arenas>,
    offset: u64,
    size: usize,
    link: Weak<dyn Link>,
}

impl Region {
    /// A region that the connection has checked.
    pub fn new(arenas: &Arc<Arenas>, offset: u64, size: u64, link: Weak<dyn Link>) -> Option<Region> {
        arenas.incoming.mapping()?;
        Some(Region { arenas: arenas.clone(), offset, size: usize::try_from(size).ok()?, link })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self.arenas.incoming.mapping() {
            // SAFETY: `at` checks the bounds, and the host does not write to a region that it has lent. The file is
            // sealed in its size, so its pages stay.
            Some(mapping) => unsafe {
                std::slice::from_raw_parts(mapping.at(self.offset as usize, self.size), self.size)
            },
            None => &[],
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Some(link) = self.link.upgrade() {
            link.give_back(Returned::Borrowed(self.offset));
        }
    }
}

/// A region of the own arena that is being written: it goes back when this is dropped before it was sent.
pub struct Draft {
    arenas: Arc<Arenas>,
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub size: usize,
    link: Weak<dyn Link>,
    sent: bool,
}

impl Draft {
    /// Room for so many bytes, if there is any.
    pub fn new(link: &Arc<dyn Link>, size: usize) -> Option<Draft> {
        let mut found = None;
        link.access(&mut |wire| {
            let Some(arenas) = wire.arenas.clone().filter(|_| wire.connection.has_segments()) else {
                return;
            };
            let fits = size as u64 <= u64::from(wire.connection.limits.frame_bytes_max);
            if let Some(offset) = fits.then(|| wire.regions.give(size as u64)).flatten() {
                found = Some(Draft { arenas, offset, size, link: Arc::downgrade(link), sent: false });
            }
        });
        found.filter(|draft| draft.arenas.outgoing.mapping().is_some())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self.arenas.outgoing.mapping() {
            // SAFETY: `at` checks the bounds, and the region belongs to this draft alone until it is sent.
            Some(mapping) => unsafe {
                std::slice::from_raw_parts(mapping.at(self.offset as usize, self.size), self.size)
            },
            None => &[],
        }
    }

    /// The bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match self.arenas.outgoing.mapping() {
            // SAFETY: as above, and this borrow is the only one.
            Some(mapping) => unsafe {
                std::slice::from_raw_parts_mut(mapping.at(self.offset as usize, self.size), self.size)
            },
            None => &mut [],
        }
    }

    /// It is the host's now, until its RELEASE.
    pub fn sent(mut self) {
        self.sent = true;
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let (false, Some(link)) = (self.sent, self.link.upgrade()) {
            link.give_back(Returned::Unsent(self.offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Regions;

    #[test]
    fn regions_do_not_overlap_and_come_back_whole() {
        let mut regions = Regions::new(4096);
        let mut seed = 7u64;
        let mut held: Vec<(u64, u64)> = Vec::new();
        for _ in 0..5000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let size = (seed >> 33) % 700 + 1;
            if seed >> 60 < 9 {
                if let Some(offset) = regions.give(size) {
                    assert!(offset % 64 == 0 && offset + size <= 4096);
                    assert!(held.iter().all(|(at, length)| offset + size <= *at || at + length <= offset));
                    held.push((offset, size));
                }
            } else if !held.is_empty() {
                let (offset, _) = held.swap_remove(seed as usize % held.len());
                regions.take_back(offset);
            }
        }
        for (offset, _) in held {
            regions.take_back(offset);
        }
        assert_eq!(regions.give(4096), Some(0));
        assert_eq!(regions.give(1), None);
    }
}
