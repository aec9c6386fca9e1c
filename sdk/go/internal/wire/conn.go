package wire

// PingsMax is how many PINGs may be unanswered: one at a time is usual.
const PingsMax = 16

type callState uint8

const (
	waiting callState = iota
	streaming
	revoking
	cancelling
)

type inputState uint8

const (
	noInput inputState = iota
	flowing
	ended
	closed
	// ruined is an input of which a frame came corrupt: what follows is dropped.
	ruined
)

// made is a call that this side made.
type made struct {
	state   callState
	stream  bool
	spoiled bool
	input   inputState
	reply   receiver
	feed    sender
}

// taken is a call that this side took and still owes an answer to.
type taken struct {
	state  callState
	stream bool
	input  inputState
	reply  sender
	feed   receiver
}

// Conn is the state of one end of a wire. Every frame received goes through Receive, every frame sent through Send,
// which check it against the rules and keep count. It does no I/O, and whoever shares it guards it by a lock.
type Conn struct {
	Role   Role
	Limits Limits
	Phase  Phase
	Hello  HelloBody
	Ready  ReadyBody
	// ArenaIn is the size of the arena that the peer writes into; 0 where there is none.
	ArenaIn uint64
	// Answers are frames that Receive found must be sent without anyone deciding; the caller sends and empties them.
	Answers []byte

	made     map[uint64]*made
	taken    map[uint64]*taken
	spare    []*taken
	pings    []string
	borrowed lent
	lent     lent
}

// NewConn starts a connection. The limits are a host's own; the other roles go by those in HELLO.
func NewConn(role Role) *Conn {
	return &Conn{
		Role: role, Limits: DefaultLimits, made: map[uint64]*made{}, taken: map[uint64]*taken{},
		borrowed: lent{}, lent: lent{},
	}
}

// Made is how many calls of this side's are unanswered; Taken how many it owes an answer to.
func (c *Conn) Made() int  { return len(c.made) }
func (c *Conn) Taken() int { return len(c.taken) }

// mine says whether a call id is of this side's range.
func (c *Conn) mine(call uint64) bool { return call != 0 && (call < GuestBit) == c.Role.host() }

// theirs says whether a call id is of the peer's range.
func (c *Conn) theirs(call uint64) bool { return call != 0 && (call < GuestBit) != c.Role.host() }

// Segments says whether both sides agreed on bodies in shared memory.
func (c *Conn) Segments() bool { return c.Hello.Has("segments") && c.Ready.Has("segments") }

// Receive checks one frame. It returns whether this side must act on it; the frame may have become another one: a reply
// that came corrupt is a FAULT. After a fault nothing more may be received.
func (c *Conn) Receive(f *Frame) (bool, *ProtocolFault) {
	act, fault := c.receive(f)
	if fault == nil && !act && f.Region.Size != 0 && f.Kind != Release {
		c.Answers = c.GiveBack(c.Answers, f.Region)
	}
	return act, fault
}

func (c *Conn) receive(f *Frame) (bool, *ProtocolFault) {
	s := stepOf(f)
	phase, ok := next(c.Role, c.Role.peer(), c.Phase, s)
	if !ok {
		if !ever[c.Role.peer()].has(s) {
			return false, faultf("direction", "%v is not the peer's to send", s)
		}
		return false, faultf("state", "%v while the connection is %v", s, c.Phase)
	}
	if phase == Left {
		return false, nil
	}
	c.Phase = phase
	if f.Flags&Input != 0 && c.Role.host() && !c.Hello.Has("input") {
		return false, faultf("flags", "INPUT, which this host did not offer")
	}
	if f.Flags&Corrupt != 0 {
		return c.corrupt(f, s)
	}
	if f.Flags&Segment != 0 {
		if fault := c.borrow(f); fault != nil {
			return false, fault
		}
	}
	switch s {
	case step(Call):
		return true, c.takeCall(f)
	case step(Item), step(End):
		if c.theirs(f.Call) {
			return c.takeInput(f)
		}
		return c.takeReply(f, s)
	case step(Fault), giveBack:
		return c.takeReply(f, s)
	case step(Cancel), revoke:
		return c.takeControl(f, s)
	case step(Credit):
		return c.takeCredit(f)
	}
	return true, c.takeConnection(f, s)
}

func (c *Conn) takeConnection(f *Frame, s step) (fault *ProtocolFault) {
	switch s {
	case step(Event):
		if f.Call >= GuestBit {
			return faultf("call_id", "EVENT about call %#x, which the host did not make", f.Call)
		}
	case step(Hello):
		c.Hello, fault = ReadHello(f.Body)
		c.Limits = c.Hello.Limits
	case step(Ready):
		c.Ready, fault = ReadReady(f.Body, c.Hello.Versions)
		if c.Role == AsIngress && (len(c.Ready.Functions) > 0 || c.Ready.Has("progress") || c.Ready.Has("revoke") || c.Ready.Has("segments")) {
			return faultf("handshake", "READY: a client offers no functions, and none of the features %v", c.Ready.Features)
		}
	case step(Pong):
		if len(c.pings) == 0 || c.pings[0] != string(f.Body) {
			return faultf("pong", "a PONG that echoes no PING")
		}
		c.pings = c.pings[1:]
	case step(Release):
		return c.takeBack(f)
	case step(Bye):
		// A guest's call may have crossed its host's BYE; a host's cannot have crossed its guest's.
		if c.Role == AsHost && len(c.made) > 0 {
			return faultf("state", "BYE with %d calls unanswered", len(c.made))
		}
		c.forget()
	case failure:
		c.forget()
	}
	return fault
}

func (c *Conn) checkCall(f *Frame) *ProtocolFault {
	if !c.theirs(f.Call) {
		return faultf("call_id", "CALL with id %#x, which is not the peer's to give", f.Call)
	}
	if c.taken[f.Call] != nil {
		return faultf("duplicate_call", "CALL with id %#x, which is in flight already", f.Call)
	}
	if len(c.taken) >= c.Limits.CallsMax {
		return faultf("calls", "more than %d calls in flight", c.Limits.CallsMax)
	}
	return nil
}

func (c *Conn) takeCall(f *Frame) *ProtocolFault {
	if fault := c.checkCall(f); fault != nil {
		return fault
	}
	if len(f.Meta) > 0 || c.Role.host() {
		entries, fault := ReadEntries(f.Meta)
		if fault != nil {
			return fault
		}
		if c.Role.host() && entries.Function == "" {
			return faultf("meta", "call %#x names no FUNCTION", f.Call)
		}
	}
	call := &taken{}
	if n := len(c.spare); n > 0 {
		call, c.spare = c.spare[n-1], c.spare[:n-1]
		*call = taken{}
	}
	if f.Flags&Stream != 0 {
		call.stream, call.reply.credit = true, c.Limits.CreditBytes
	}
	if f.Flags&Input != 0 {
		call.input = flowing
		call.feed = receiver{window: c.Limits.CreditBytes, credit: c.Limits.CreditBytes}
	}
	c.taken[f.Call] = call
	return nil
}

// takeInput takes an ITEM or END of a caller.
func (c *Conn) takeInput(f *Frame) (bool, *ProtocolFault) {
	call := c.taken[f.Call]
	if call == nil {
		return false, nil // it crossed the answer
	}
	if call.input == ruined {
		return false, nil
	}
	if call.input != flowing {
		return false, faultf("stream", "%v of call %#x, whose input does not flow", f.Kind, f.Call)
	}
	if f.Kind == Item {
		return true, call.feed.take(f)
	}
	if len(f.Body) > 0 {
		return false, faultf("stream", "END of the input of call %#x with a body", f.Call)
	}
	call.input = ended
	return true, nil
}

// takeReply takes ITEM, END or FAULT for a call of this side's.
func (c *Conn) takeReply(f *Frame, s step) (bool, *ProtocolFault) {
	call := c.made[f.Call]
	if call == nil {
		return false, faultf("unknown_call", "%v for call %#x, which is not in flight", s, f.Call)
	}
	switch s {
	case step(Item):
		if !call.stream {
			return false, faultf("stream", "ITEM for call %#x, which did not ask for a stream", f.Call)
		}
		if call.state == waiting {
			call.state = streaming
		}
		return !call.spoiled, call.reply.take(f)
	case step(End):
		if len(f.Body) > 0 && call.reply.items > 0 {
			return false, faultf("stream", "END of the stream of call %#x with a body", f.Call)
		}
	case giveBack:
		if call.state != revoking && call.state != cancelling {
			return false, faultf("revoke", "call %#x was given back, which nobody asked for", f.Call)
		}
	}
	delete(c.made, f.Call)
	if call.spoiled {
		*f = dataLoss(f)
	}
	return true, nil
}

// takeControl takes CANCEL; it is dropped where the call has been answered.
func (c *Conn) takeControl(f *Frame, s step) (bool, *ProtocolFault) {
	if !c.theirs(f.Call) {
		return false, faultf("call_id", "%v of call %#x, which the peer did not make", s, f.Call)
	}
	if s == revoke && !c.Ready.Has("revoke") {
		return false, faultf("revoke", "a revoke, which this side did not offer")
	}
	call := c.taken[f.Call]
	if call == nil {
		return false, nil
	}
	if s == step(Cancel) {
		call.state = cancelling
		if call.input != noInput {
			call.input = closed
		}
		return true, nil
	}
	switch call.state {
	case waiting:
		call.state = revoking
	case streaming: // it crossed the first item, and changes nothing
	default:
		return false, faultf("state", "a revoke of call %#x, which was revoked or cancelled before", f.Call)
	}
	return true, nil
}

func (c *Conn) takeCredit(f *Frame) (bool, *ProtocolFault) {
	if c.theirs(f.Call) {
		call := c.taken[f.Call]
		if call == nil {
			return false, nil
		}
		if !call.stream {
			return false, faultf("stream", "CREDIT for call %#x, which did not ask for a stream", f.Call)
		}
		return true, call.reply.grant(f.Amount)
	}
	call := c.made[f.Call]
	switch {
	case f.Call == 0:
		return false, faultf("unknown_call", "CREDIT on call 0")
	case call == nil:
		return false, faultf("unknown_call", "CREDIT for call %#x, which is not in flight", f.Call)
	case call.input == noInput:
		return false, faultf("stream", "CREDIT for the input of call %#x, which has no stream", f.Call)
	case call.input != flowing:
		return false, nil
	}
	return true, call.feed.grant(f.Amount)
}

// corrupt answers a frame whose checksum does not match: the call it belongs to fails, not the connection.
func (c *Conn) corrupt(f *Frame, s step) (bool, *ProtocolFault) {
	if f.Flags&Segment != 0 {
		return false, faultf("checksum", "%v with a checksum that does not match: nobody knows which region is lent", s)
	}
	switch s {
	case step(Call):
		if fault := c.checkCall(f); fault != nil {
			return false, fault
		}
		c.Answers = Append(c.Answers, &Frame{Kind: Fault, Codec: uint8(JSON), Call: f.Call, Body: AppendFault(nil, FaultBody{
			Code: "DATA_LOSS", Detail: "the CALL came with a checksum that does not match", Started: "no",
		})})
		return false, nil
	case step(Item), step(End), step(Fault), giveBack:
		if c.theirs(f.Call) {
			return c.corruptInput(f, s)
		}
		call := c.made[f.Call]
		if call == nil {
			break
		}
		if s == step(Item) {
			if !call.spoiled {
				c.Answers = Append(c.Answers, &Frame{Kind: Cancel, Call: f.Call})
			}
			call.state, call.spoiled = cancelling, true
			return false, nil
		}
		delete(c.made, f.Call)
		*f = dataLoss(f)
		return true, nil
	}
	return false, faultf("checksum", "%v with a checksum that does not match", s)
}

// corruptInput turns a corrupt ITEM or END of an input into a CANCEL with the flag Corrupt: the function is to be
// stopped, and the answer is DATA_LOSS.
func (c *Conn) corruptInput(f *Frame, s step) (bool, *ProtocolFault) {
	call := c.taken[f.Call]
	switch {
	case s != step(Item) && s != step(End):
		return false, faultf("checksum", "%v with a checksum that does not match", s)
	case call == nil || call.input == ruined:
		return false, nil
	case call.input != flowing:
		return false, faultf("stream", "%v of call %#x, whose input does not flow", f.Kind, f.Call)
	}
	call.input = ruined
	*f = Frame{Kind: Cancel, Flags: Corrupt, Call: f.Call}
	return true, nil
}

func dataLoss(f *Frame) Frame {
	return Frame{Kind: Fault, Codec: uint8(JSON), Call: f.Call, Amount: f.Amount, Body: AppendFault(nil, FaultBody{
		Code: "DATA_LOSS", Detail: "the reply came with a checksum that does not match", Started: "yes",
	})}
}

func (c *Conn) forget() {
	clear(c.made)
	clear(c.taken)
}
