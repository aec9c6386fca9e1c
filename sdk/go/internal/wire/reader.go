package wire

import (
	"io"
)

// slabBytes is one read's worth: what a UNIX socket hands over at once without growing the kernel's buffers.
const slabBytes = 64 << 10

// growBytes is what is set aside for a large frame before any of it has come; more only as it arrives, so that a
// header cannot claim memory.
const growBytes = 256 << 10

// Reader cuts a byte stream into frames. Frames alias memory that is never reused: they may be kept, though a small
// body keeps up to slabBytes alive.
type Reader struct {
	// Limit is the largest length of CALL, ITEM and END.
	Limit uint32
	// Segments says whether both sides agreed on bodies in shared memory.
	Segments bool

	source io.Reader
	slab   []byte
	read   int
	filled int
	fault  error
}

// NewReader reads frames from a source, which may return any number of bytes at a time.
func NewReader(source io.Reader) *Reader {
	return &Reader{Limit: FrameBytesMax, source: source}
}

// Buffered says whether Next would return a frame, or a fault, without reading.
func (r *Reader) Buffered() bool {
	b := r.slab[r.read:r.filled]
	if len(b) < HeaderBytes {
		return false
	}
	h, fault := readHeader(b, r.Limit, r.Segments)
	return fault != nil || uint64(len(b)) >= HeaderBytes+uint64(h.length)
}

// Next returns the next frame. It ends with io.EOF between frames, and with a *ProtocolFault; both are final.
func (r *Reader) Next() (Frame, error) {
	if r.fault != nil {
		return Frame{}, r.fault
	}
	frame, err := r.next()
	if err != nil {
		r.fault = err
	}
	return frame, err
}

func (r *Reader) next() (Frame, error) {
	if err := r.fill(HeaderBytes); err != nil {
		return Frame{}, err
	}
	h, fault := readHeader(r.slab[r.read:r.filled], r.Limit, r.Segments)
	if fault != nil {
		return Frame{}, fault
	}
	size := HeaderBytes + int(h.length)
	if size > slabBytes {
		return r.large(&h, size)
	}
	if err := r.fill(size); err != nil {
		return Frame{}, err
	}
	rest := r.slab[r.read+HeaderBytes : r.read+size : r.read+size]
	r.read += size
	return h.seal(rest), nil
}

// fill reads until the slab holds size bytes from the read position on.
func (r *Reader) fill(size int) error {
	if r.read+size > len(r.slab) {
		slab := make([]byte, slabBytes)
		r.filled = copy(slab, r.slab[r.read:r.filled])
		r.slab, r.read = slab, 0
	}
	for r.filled-r.read < size {
		n, err := r.source.Read(r.slab[r.filled:])
		r.filled += n
		if err != nil && r.filled-r.read < size {
			return r.ended(err, r.filled > r.read)
		}
	}
	return nil
}

// large collects a frame past a slab in memory of its own, which grows as its bytes come.
func (r *Reader) large(h *header, size int) (Frame, error) {
	size -= HeaderBytes
	rest := make([]byte, min(size, growBytes))
	have := copy(rest, r.slab[r.read+HeaderBytes:r.filled])
	r.slab, r.read, r.filled = nil, 0, 0
	for have < size {
		if have == len(rest) {
			grown := make([]byte, min(size, 2*len(rest)))
			copy(grown, rest)
			rest = grown
		}
		n, err := r.source.Read(rest[have:])
		have += n
		if err != nil && have < size {
			return Frame{}, r.ended(err, true)
		}
	}
	return h.seal(rest), nil
}

func (r *Reader) ended(err error, inside bool) error {
	if err == io.EOF && inside {
		return faultf("truncated", "the peer's bytes end inside a frame")
	}
	return err
}
