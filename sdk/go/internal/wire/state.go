package wire

// Role is which end of a wire this is.
type Role uint8

// A host faces a guest, an ingress a client.
const (
	AsHost Role = iota
	AsGuest
	AsIngress
	AsClient
)

func (r Role) peer() Role { return r ^ 1 }
func (r Role) host() bool { return r&1 == 0 }

// Phase is where a connection is (SPEC.md §13).
type Phase uint8

// The phases of a connection.
const (
	Start Phase = iota
	Greeting
	Open
	Refusing
	Draining
	Left
	Closed
)

func (p Phase) String() string {
	return [...]string{"start", "greeting", "open", "refusing", "draining", "left", "closed"}[p]
}

// step is a frame as the tables see it: its kind, with CANCEL and FAULT told apart by what they mean.
type step uint8

const (
	revoke step = step(kinds) + iota
	giveBack
	failure
	steps
)

func stepOf(f *Frame) step {
	switch {
	case f.Kind == Cancel && f.Flags&Unstarted != 0:
		return revoke
	case f.Kind == Fault && f.Call == 0:
		return failure
	case f.Kind == Fault && f.Flags&Unstarted != 0:
		return giveBack
	}
	return step(f.Kind)
}

func (s step) String() string {
	switch s {
	case revoke:
		return "CANCEL with UNSTARTED"
	case giveBack:
		return "FAULT with UNSTARTED"
	case failure:
		return "FAULT on call 0"
	}
	return Kind(s).String()
}

type set uint32

func setOf(all ...step) (s set) {
	for _, each := range all {
		s |= 1 << each
	}
	return s
}

func (s set) has(each step) bool { return s>>each&1 != 0 }

var (
	always = setOf(step(Item), step(End), step(Fault), step(Credit), step(Ping), step(Pong), step(Release), giveBack)
	// working is what each role says between READY and its leave, besides CALL, DRAIN, BYE and FAULT on call 0.
	working = [...]set{
		AsHost:    always | setOf(step(Cancel), revoke),
		AsGuest:   always | setOf(step(Cancel), step(Event)),
		AsIngress: always,
		AsClient:  always | setOf(step(Cancel)),
	}
	// ever is all that each role says at any time.
	ever = [...]set{
		AsHost:    working[AsHost] | setOf(step(Hello), step(Call), step(Drain), step(Bye), failure),
		AsGuest:   working[AsGuest] | setOf(step(Ready), step(Call), step(Drain), step(Bye), failure),
		AsIngress: working[AsIngress] | setOf(step(Hello), step(Drain), step(Bye), failure),
		AsClient:  working[AsClient] | setOf(step(Ready), step(Call), step(Bye), failure),
	}
)

// next is the phase of a side (`of`) after a role (its own, or its peer's) has spoken; false where it may not.
func next(of, speaker Role, phase Phase, s step) (Phase, bool) {
	sent := of == speaker
	last := Closed
	if sent {
		last = Left
	}
	if !ever[speaker].has(s) {
		return phase, false
	}
	switch phase {
	case Start:
		return Greeting, s == step(Hello)
	case Greeting:
		switch s {
		case step(Ready):
			return Open, true
		case step(Event):
			return phase, true
		}
		return last, s == failure
	case Left:
		// What was on its way when this side left is dropped.
		return phase, !sent && s != step(Hello)
	case Closed:
		return Left, sent && s == step(Bye)
	}
	return nextWorking(of, speaker, phase, s, last)
}

func nextWorking(of, speaker Role, phase Phase, s step, last Phase) (Phase, bool) {
	switch {
	case working[speaker].has(s):
		return phase, true
	case s == failure:
		return last, true
	case s == step(Bye):
		// A guest leaves only once its host has said DRAIN: until then a CALL may be on its way to it.
		return last, speaker != AsGuest || phase == Draining
	case s == step(Call):
		// After a guest's DRAIN its host sends none, but one may have crossed it; after a host's, a guest's may come.
		// A client's may cross its host's DRAIN, but it makes none after that.
		return phase, phase == Open || speaker == AsGuest || of != speaker && (phase == Refusing || !speaker.host())
	case s == step(Drain) && speaker.host():
		return Draining, true
	case s == step(Drain) && phase == Open:
		return Refusing, true
	case s == step(Drain):
		return phase, phase == Draining || of != speaker
	}
	return phase, false
}
