package wire

// Sender is the sending end of one stream. Its credit may be below zero by one item.
type sender struct {
	credit int64
	items  uint64
}

func cost(f *Frame) int64 {
	size := int64(HeaderBytes + len(f.Meta) + len(f.Body))
	if f.Flags&Segment != 0 {
		size += int64(f.Region.Size)
	}
	return size
}

func (s *sender) grant(amount uint32) *ProtocolFault {
	if amount == 0 {
		return faultf("credit", "a CREDIT of nothing")
	}
	if s.credit+int64(amount) > CreditBytesMax {
		return faultf("credit", "a CREDIT of %d takes the stream past %d", amount, int64(CreditBytesMax))
	}
	s.credit += int64(amount)
	return nil
}

// receiver is the reading end of one stream: it checks the credit of its sender, and says when to grant more.
type receiver struct {
	window int64
	credit int64
	used   int64
	items  uint64
}

func (r *receiver) take(f *Frame) *ProtocolFault {
	if r.credit <= 0 {
		return faultf("credit", "an ITEM of call %#x without credit", f.Call)
	}
	r.credit -= cost(f)
	r.items++
	return nil
}

// consume counts bytes as used up; it returns what to grant now: nothing until half the window is free again.
func (r *receiver) consume(bytes int64) uint32 {
	r.used += bytes
	if r.used*2 < r.window {
		return 0
	}
	due := min(r.used, CreditBytesMax-r.credit, 1<<31)
	r.used -= due
	return uint32(due)
}
