package wire

import "encoding/binary"

// Send checks a frame that this side is about to send, and counts it as sent. Where it is refused, by *IllegalError or
// *OversizedError, nothing has changed.
func (c *Conn) Send(f *Frame) error {
	if size := len(f.Meta) + len(f.Body); bulk(f.Kind) && size > int(c.Limits.FrameBytesMax) {
		return &OversizedError{size, int(c.Limits.FrameBytesMax)}
	}
	s := stepOf(f)
	phase, ok := next(c.Role, c.Role, c.Phase, s)
	if !ok {
		return illegalf("%v cannot be sent while the connection is %v", s, c.Phase)
	}
	if f.Flags&Segment != 0 && f.Region.Size == 0 {
		f.Region = readRegion(f.Body)
	}
	if err := c.count(f, s); err != nil {
		return err
	}
	if f.Flags&Segment != 0 {
		c.lent[f.Region.Offset] = f.Region.Size
	}
	c.Phase = phase
	return nil
}

func (c *Conn) count(f *Frame, s step) error {
	switch s {
	case step(Call):
		return c.giveCall(f)
	case step(Item), step(End):
		if c.mine(f.Call) {
			return c.giveInput(f)
		}
		return c.giveReply(f, s)
	case step(Fault), giveBack:
		return c.giveReply(f, s)
	case step(Cancel), revoke:
		return c.giveControl(f, s)
	case step(Credit):
		return c.giveCredit(f)
	}
	return c.giveConnection(f, s)
}

func (c *Conn) giveConnection(f *Frame, s step) error {
	if most := int(limitOf(f.Kind)); len(f.Body) > most {
		return &OversizedError{len(f.Body), most}
	}
	switch s {
	case step(Hello), step(Ready):
		return c.greet(f)
	case step(Ping):
		if len(c.pings) >= PingsMax {
			return illegalf("%d PINGs are unanswered", PingsMax)
		}
		c.pings = append(c.pings, string(f.Body))
	case step(Release):
		offset := binary.LittleEndian.Uint64(f.Body)
		if _, ok := c.borrowed[offset]; !ok {
			return illegalf("RELEASE of the region at %d, which is not lent", offset)
		}
		delete(c.borrowed, offset)
	case step(Bye):
		if len(c.taken) > 0 {
			return illegalf("BYE while %d calls wait for their answer", len(c.taken))
		}
		c.forget()
	case failure:
		c.forget()
	}
	return nil
}

func (c *Conn) greet(f *Frame) (err error) {
	var fault *ProtocolFault
	if f.Kind == Hello {
		c.Hello, fault = ReadHello(f.Body)
		c.Limits = c.Hello.Limits
	} else {
		c.Ready, fault = ReadReady(f.Body, c.Hello.Versions)
	}
	if fault != nil {
		return illegalf("%v would be refused: %v", f.Kind, fault)
	}
	return nil
}

func limitOf(kind Kind) uint32 {
	_, most := sizesOf(kind, 0, 1, 0)
	return most
}

func (c *Conn) giveCall(f *Frame) error {
	if len(f.Meta) > MetaBytesMax {
		return &OversizedError{len(f.Meta), MetaBytesMax}
	}
	if !c.mine(f.Call) || c.made[f.Call] != nil {
		return illegalf("CALL with id %#x, which is not this side's to give", f.Call)
	}
	if len(c.made) >= c.Limits.CallsMax {
		return illegalf("%d calls are in flight, which is as many as the peer takes", len(c.made))
	}
	call := &made{stream: f.Flags&Stream != 0}
	call.reply = receiver{window: c.Limits.CreditBytes, credit: c.Limits.CreditBytes}
	if f.Flags&Input != 0 {
		call.input, call.feed.credit = flowing, c.Limits.CreditBytes
	}
	c.made[f.Call] = call
	return nil
}

func (c *Conn) giveInput(f *Frame) error {
	call := c.made[f.Call]
	if call == nil || call.input != flowing {
		return illegalf("%v of call %#x, whose input does not flow", f.Kind, f.Call)
	}
	if f.Kind == End {
		if len(f.Body) > 0 {
			return illegalf("END of an input with a body")
		}
		call.input = ended
		return nil
	}
	if call.feed.credit <= 0 {
		return illegalf("ITEM of call %#x without credit", f.Call)
	}
	call.feed.credit -= cost(f)
	return nil
}

func (c *Conn) giveReply(f *Frame, s step) error {
	call := c.taken[f.Call]
	if call == nil {
		return illegalf("%v for call %#x, which is not in flight", s, f.Call)
	}
	switch s {
	case step(Item):
		if !call.stream || call.reply.credit <= 0 {
			return illegalf("ITEM for call %#x, which did not ask for a stream or has no credit", f.Call)
		}
		if call.state == waiting {
			call.state = streaming
		}
		call.reply.credit -= cost(f)
		call.reply.items++
		return nil
	case step(End):
		if len(f.Body) > 0 && call.reply.items > 0 {
			return illegalf("END of the stream of call %#x with a body", f.Call)
		}
	case giveBack:
		if call.state != revoking && call.state != cancelling {
			return illegalf("call %#x was not asked back", f.Call)
		}
	}
	if len(f.Body) > ReportBytesMax && f.Kind == Fault {
		return &OversizedError{len(f.Body), ReportBytesMax}
	}
	delete(c.taken, f.Call)
	if len(c.spare) < 64 { // as many as are answered at once; more is garbage
		c.spare = append(c.spare, call)
	}
	return nil
}

func (c *Conn) giveControl(f *Frame, s step) error {
	call := c.made[f.Call]
	if call == nil {
		return illegalf("%v of call %#x, which is not in flight", s, f.Call)
	}
	if s == revoke {
		if call.state != waiting || !c.Ready.Has("revoke") {
			return illegalf("call %#x cannot be revoked", f.Call)
		}
		call.state = revoking
		return nil
	}
	call.state = cancelling
	if call.input != noInput {
		call.input = closed
	}
	return nil
}

func (c *Conn) giveCredit(f *Frame) error {
	stream := c.readingOf(f.Call)
	if stream == nil {
		return illegalf("CREDIT for call %#x, which has no stream", f.Call)
	}
	if f.Amount == 0 || int64(f.Amount) > CreditBytesMax-stream.credit {
		return illegalf("a CREDIT of %d is nothing, or takes the stream past %d", f.Amount, int64(CreditBytesMax))
	}
	stream.credit += int64(f.Amount)
	return nil
}

// readingOf is the stream that this side reads of a live call; nil for none.
func (c *Conn) readingOf(call uint64) *receiver {
	if m := c.made[call]; m != nil && m.stream {
		return &m.reply
	}
	if t := c.taken[call]; t != nil && t.input == flowing {
		return &t.feed
	}
	return nil
}

// Cost is what an item takes from its stream's credit.
func Cost(f *Frame) int64 { return cost(f) }

// Consumed counts bytes of a stream that this side reads as used up, and returns what to grant by CREDIT now: often
// nothing, and nothing once the call or its input has ended.
func (c *Conn) Consumed(call uint64, bytes int64) uint32 {
	if stream := c.readingOf(call); stream != nil && c.Phase != Left && c.Phase != Closed {
		return stream.consume(bytes)
	}
	return 0
}

// Credit is what may be sent now of a stream that this side writes: the reply of a call it took, or the input of one it
// made. An item may go while it is above 0.
func (c *Conn) Credit(call uint64) int64 {
	if m := c.made[call]; m != nil && m.input == flowing {
		return m.feed.credit
	}
	if t := c.taken[call]; t != nil && t.stream {
		return t.reply.credit
	}
	return 0
}

// Flows says whether the input of a call that this side made may still be sent.
func (c *Conn) Flows(call uint64) bool {
	m := c.made[call]
	return m != nil && m.input == flowing
}

// IsLive says whether a call that this side took is unanswered.
func (c *Conn) IsLive(call uint64) bool { return c.taken[call] != nil }

// MayCall says whether this side may make a call now.
func (c *Conn) MayCall() bool {
	_, ok := next(c.Role, c.Role, c.Phase, step(Call))
	return ok
}
