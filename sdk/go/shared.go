package dragoman

import (
	"os"
	"sync"
	"syscall"
	"unsafe"

	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

// arenas are the two pieces of memory that are shared with the host: it writes into `in`, this side into `out`. They are
// mapped when they are first needed.
type arenas struct {
	inFD, outFD     int
	inSize, outSize uint64

	mu   sync.Mutex
	in   []byte
	out  []byte
	free []wire.Region // of out, in order, none beside another
}

const arenaAlign = 64

// openArenas takes the descriptors of the two arenas; nil where they are not there or no arenas.
func openArenas(in, out int) *arenas {
	if in < 0 || out < 0 {
		return nil
	}
	var stats [2]syscall.Stat_t
	for i, fd := range []int{in, out} {
		if syscall.Fstat(fd, &stats[i]) != nil || stats[i].Size < arenaAlign {
			return nil
		}
		syscall.CloseOnExec(fd)
	}
	a := &arenas{inFD: in, outFD: out, inSize: uint64(stats[0].Size), outSize: uint64(stats[1].Size)}
	a.free = []wire.Region{{Offset: 0, Size: a.outSize &^ (arenaAlign - 1)}}
	return a
}

// body is what a region of the host's holds, without a copy.
func (a *arenas) body(r wire.Region) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.in == nil {
		mapped, err := syscall.Mmap(a.inFD, 0, int(a.inSize), syscall.PROT_READ, syscall.MAP_SHARED)
		if err != nil {
			return nil, os.NewSyscallError("mmap", err)
		}
		a.in = mapped
	}
	return a.in[r.Offset : r.Offset+r.Size : r.Offset+r.Size], nil
}

// take is a region of this side's own arena; false where there is no room.
func (a *arenas) take(size int) (wire.Region, []byte, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	whole := (uint64(size) + arenaAlign - 1) &^ (arenaAlign - 1)
	for i, free := range a.free {
		if free.Size < whole {
			continue
		}
		if a.out == nil {
			mapped, err := syscall.Mmap(a.outFD, 0, int(a.outSize), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
			if err != nil {
				return wire.Region{}, nil, false
			}
			a.out = mapped
		}
		if free.Size == whole {
			a.free = append(a.free[:i], a.free[i+1:]...)
		} else {
			a.free[i] = wire.Region{Offset: free.Offset + whole, Size: free.Size - whole}
		}
		end := free.Offset + uint64(size)
		return wire.Region{Offset: free.Offset, Size: uint64(size)}, a.out[free.Offset:end:end], true
	}
	return wire.Region{}, nil, false
}

// put takes a region back.
func (a *arenas) put(r wire.Region) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.Size = (r.Size + arenaAlign - 1) &^ (arenaAlign - 1)
	at := 0
	for at < len(a.free) && a.free[at].Offset < r.Offset {
		at++
	}
	a.free = append(a.free, wire.Region{})
	copy(a.free[at+1:], a.free[at:])
	a.free[at] = r
	if at+1 < len(a.free) && r.Offset+r.Size == a.free[at+1].Offset {
		a.free[at].Size += a.free[at+1].Size
		a.free = append(a.free[:at+1], a.free[at+2:]...)
	}
	if at > 0 && a.free[at-1].Offset+a.free[at-1].Size == a.free[at].Offset {
		a.free[at-1].Size += a.free[at].Size
		a.free = append(a.free[:at], a.free[at+1:]...)
	}
}

// regionOf is the region of this side's arena that bytes begin, where they lie in it.
func (a *arenas) regionOf(body []byte) (wire.Region, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.out == nil || len(body) == 0 {
		return wire.Region{}, false
	}
	from, at := uintptr(unsafe.Pointer(&a.out[0])), uintptr(unsafe.Pointer(&body[0]))
	if at < from || at-from >= uintptr(len(a.out)) {
		return wire.Region{}, false
	}
	return wire.Region{Offset: uint64(at - from), Size: uint64(len(body))}, true
}
