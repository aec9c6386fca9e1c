package dragoman

import (
	"math"
	"os"
	"runtime/debug"
)

const (
	// ballastBytes lets so much garbage come together before it is collected, where Go begins at 4 MB and a busy worker
	// collected every few milliseconds: with 64 calls in flight a host answered a fifth more of them. It is never touched,
	// so it takes no memory, and next to a large heap of a worker's own it does not count.
	ballastBytes = 16 << 20
	// ballastShare is the least share of a memory limit: below, collecting often is what keeps a worker within it.
	ballastShare = 8
)

var ballast []byte

// calm makes collections of a small heap rare, unless the user has said how often they come, or memory is short.
func calm() {
	limit := debug.SetMemoryLimit(-1)
	if os.Getenv("GOGC") == "" && (limit == math.MaxInt64 || limit >= ballastShare*ballastBytes) {
		ballast = make([]byte, ballastBytes)
	}
}
