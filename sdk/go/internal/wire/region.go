package wire

import "encoding/binary"

// Region is where a body lies in its sender's arena of shared memory (SPEC.md §7.1).
type Region struct{ Offset, Size uint64 }

const regionAlign = 64

// lent is the regions of one arena that its owner has given out and not got back, by offset. There are never more of
// them than bodies in flight.
type lent map[uint64]uint64

func (l lent) overlaps(r Region) bool {
	for offset, size := range l {
		if r.Offset < offset+size && offset < r.Offset+r.Size {
			return true
		}
	}
	return false
}

func readRegion(body []byte) Region {
	return Region{binary.LittleEndian.Uint64(body), binary.LittleEndian.Uint64(body[8:])}
}

// Body is the 16 bytes that travel in place of a region.
func (r Region) Body() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(make([]byte, 0, segmentBytes), r.Offset), r.Size)
}

// borrow takes a region that the peer lends.
func (c *Conn) borrow(f *Frame) *ProtocolFault {
	r := readRegion(f.Body)
	switch {
	case r.Offset%regionAlign != 0 || r.Size == 0 || r.Size > uint64(c.Limits.FrameBytesMax):
		return faultf("segment", "a region of %d bytes at %d", r.Size, r.Offset)
	case r.Offset > c.ArenaIn || r.Size > c.ArenaIn-r.Offset:
		return faultf("segment", "a region of %d bytes at %d is outside the arena of %d", r.Size, r.Offset, c.ArenaIn)
	case c.borrowed.overlaps(r):
		return faultf("segment", "a region of %d bytes at %d overlaps one that is lent", r.Size, r.Offset)
	}
	c.borrowed[r.Offset] = r.Size
	f.Region = r
	return nil
}

// GiveBack appends the RELEASE of a region that the peer lent, if this side still holds it.
func (c *Conn) GiveBack(to []byte, r Region) []byte {
	if c.borrowed[r.Offset] != r.Size || r.Size == 0 || c.Phase == Left || c.Phase == Closed {
		return to
	}
	delete(c.borrowed, r.Offset)
	body := binary.LittleEndian.AppendUint64(nil, r.Offset)
	return Append(to, &Frame{Kind: Release, Body: body})
}

func (c *Conn) takeBack(f *Frame) *ProtocolFault {
	offset := binary.LittleEndian.Uint64(f.Body)
	size, ok := c.lent[offset]
	if !ok {
		return faultf("segment", "RELEASE of the region at %d, which is not lent", offset)
	}
	delete(c.lent, offset)
	f.Region = Region{offset, size}
	return nil
}
