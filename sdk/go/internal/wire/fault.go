package wire

import "fmt"

// ProtocolFault says that the peer broke the protocol: the connection is dead. Reason is of the closed set of
// SPEC.md §12.
type ProtocolFault struct {
	Reason string
	Detail string
}

func (f *ProtocolFault) Error() string { return f.Reason + ": " + f.Detail }

func faultf(reason, format string, args ...any) *ProtocolFault {
	return &ProtocolFault{reason, fmt.Sprintf(format, args...)}
}

// IllegalError says that this side tried to send what it may not; nothing was sent and no state has changed.
type IllegalError struct{ Detail string }

func (e *IllegalError) Error() string { return e.Detail }

func illegalf(format string, args ...any) error { return &IllegalError{fmt.Sprintf(format, args...)} }

// OversizedError says that a frame of this side's is past what the peer accepts; nothing was sent.
type OversizedError struct{ Size, Limit int }

func (e *OversizedError) Error() string {
	return fmt.Sprintf("a frame of %d bytes is more than the peer accepts (%d)", e.Size, e.Limit)
}
