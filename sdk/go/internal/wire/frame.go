// Package wire is one end of a Dragoman wire without its sockets: frames, handshake, states, credit and segments, as
// proto/SPEC.md has them. It knows nothing of functions or values.
package wire

import (
	"encoding/binary"
	"hash/crc32"
)

// Version is the wire version that this library speaks.
const Version = 1

// Sizes, in bytes (SPEC.md §3).
const (
	HeaderBytes   = 32
	MetaBytesMax  = 8 << 10
	helloBytesMax = 1 << 20
	// ReadyBytesMax holds a manifest of thousands of functions; a larger one is a mistake.
	ReadyBytesMax  = 16 << 20
	ReportBytesMax = 1 << 20
	PingBytesMax   = 64
	segmentBytes   = 16
	releaseBytes   = 8
)

// GuestBit is set in the ids of calls that a guest or a client makes.
const GuestBit uint64 = 1 << 63

// Kind says what a frame is.
type Kind uint8

// The kinds of SPEC.md §4.
const (
	Hello Kind = 1 + iota
	Ready
	Call
	Item
	End
	Fault
	Cancel
	Credit
	Event
	Ping
	Pong
	Drain
	Bye
	Release
	kinds
)

var kindNames = [kinds]string{
	"", "HELLO", "READY", "CALL", "ITEM", "END", "FAULT", "CANCEL", "CREDIT", "EVENT", "PING", "PONG", "DRAIN", "BYE", "RELEASE",
}

func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "?"
}

// Flags are the bits of a frame's header.
type Flags uint16

// The flags of SPEC.md §3.
const (
	Checksum  Flags = 1
	Segment   Flags = 2
	Stream    Flags = 4
	Unstarted Flags = 8
	Input     Flags = 16
	// Corrupt stands beside the flags of a frame whose checksum did not match; it never travels.
	Corrupt Flags = 0x100
)

var flagsOf = [kinds]Flags{
	Hello: Checksum, Ready: Checksum, Call: Checksum | Segment | Stream | Input, Item: Checksum | Segment,
	End: Checksum | Segment, Fault: Checksum | Unstarted, Cancel: Checksum | Unstarted, Credit: Checksum,
	Event: Checksum, Ping: Checksum, Pong: Checksum, Drain: Checksum, Bye: Checksum, Release: Checksum,
}

// Codec says how a body is encoded.
type Codec uint8

// The codecs of SPEC.md §3.
const (
	None Codec = iota
	JSON
	MessagePack
	Bytes
	Arrow
	codecs
)

func (c Codec) String() string {
	return [...]string{"none", "JSON", "MessagePack", "raw bytes", "Arrow"}[min(c, codecs-1)]
}

// Frame is one frame. Meta and Body may be shared with the reader's memory: they are never written to.
type Frame struct {
	Kind     Kind
	Codec    uint8
	Flags    Flags
	Function uint32
	Amount   uint32
	Call     uint64
	Meta     []byte
	Body     []byte
	// Region is where the body lies, with the flag Segment; for RELEASE, what came back.
	Region Region
}

// BodyCodec is the codec of the body.
func (f *Frame) BodyCodec() Codec { return Codec(f.Codec & 15) }

// ReplyCodec is the codec that a CALL wants for its reply; None for the same as the body's.
func (f *Frame) ReplyCodec() Codec { return Codec(f.Codec >> 4) }

// AppendHeader appends the header and meta of a frame whose body is sent right after it.
func AppendHeader(to []byte, f *Frame) []byte {
	var checksum uint32
	if f.Flags&Checksum != 0 {
		checksum = crc32.Update(crc32.ChecksumIEEE(f.Meta), crc32.IEEETable, f.Body)
	}
	to = binary.LittleEndian.AppendUint32(to, uint32(len(f.Meta)+len(f.Body)))
	to = append(to, Version, byte(f.Kind), byte(f.Flags), f.Codec)
	to = binary.LittleEndian.AppendUint32(to, f.Function)
	to = binary.LittleEndian.AppendUint32(to, uint32(len(f.Meta)))
	to = binary.LittleEndian.AppendUint64(to, f.Call)
	to = binary.LittleEndian.AppendUint32(to, f.Amount)
	to = binary.LittleEndian.AppendUint32(to, checksum)
	return append(to, f.Meta...)
}

// Append appends a whole frame.
func Append(to []byte, f *Frame) []byte {
	return append(AppendHeader(to, f), f.Body...)
}

type header struct {
	length, meta, checksum uint32
	frame                  Frame
}

// readHeader checks a header against SPEC.md §3; limit is the largest length of CALL, ITEM and END.
func readHeader(b []byte, limit uint32, segments bool) (header, *ProtocolFault) {
	_ = b[HeaderBytes-1]
	h := header{length: binary.LittleEndian.Uint32(b), meta: binary.LittleEndian.Uint32(b[12:])}
	h.checksum = binary.LittleEndian.Uint32(b[28:])
	kind, flags, codec := Kind(b[5]), Flags(b[6]), b[7]
	switch {
	case b[4] != Version:
		return h, faultf("version", "frame of version %d; this side speaks %d", b[4], Version)
	case kind == 0 || kind >= kinds:
		return h, faultf("kind", "unknown kind %d", byte(kind))
	case flags&flagsOf[kind]&Segment != 0 && !segments:
		return h, faultf("segment", "%v with a body in shared memory, which was not agreed on", kind)
	case flags&flagsOf[kind]&Segment != 0 && uint64(h.length) != uint64(h.meta)+segmentBytes:
		return h, faultf("segment", "%v with %d bytes that should name a region", kind, h.length)
	case flags&^flagsOf[kind] != 0:
		return h, faultf("flags", "flags %#02x are not allowed on %v", uint16(flags), kind)
	case !codecAllowed(kind, codec):
		return h, faultf("codec", "codec byte %#02x is not allowed on %v", codec, kind)
	case h.meta > h.length || h.meta > MetaBytesMax || h.meta != 0 && kind != Call:
		return h, faultf("meta", "%v with %d bytes of meta in %d", kind, h.meta, h.length)
	}
	if least, most := sizesOf(kind, flags, codec, limit); h.length-h.meta > most || h.length-h.meta < least ||
		h.length > limit && bulk(kind) {
		return h, faultf("size", "%v of %d bytes; %d to %d are accepted", kind, h.length, least, most)
	}
	h.frame = Frame{
		Kind: kind, Codec: codec, Flags: flags, Function: binary.LittleEndian.Uint32(b[8:]),
		Amount: binary.LittleEndian.Uint32(b[24:]), Call: binary.LittleEndian.Uint64(b[16:]),
	}
	return h, nil
}

func bulk(kind Kind) bool { return kind == Call || kind == Item || kind == End }

func codecAllowed(kind Kind, codec uint8) bool {
	switch kind {
	case Call:
		return Codec(codec&15) < codecs && Codec(codec>>4) < codecs
	case Item, End:
		return Codec(codec) < codecs
	case Hello, Ready, Fault, Event:
		return Codec(codec) == JSON
	}
	return codec == 0
}

func sizesOf(kind Kind, flags Flags, codec uint8, limit uint32) (least, most uint32) {
	switch kind {
	case Call, Item, End:
		switch {
		case codec&15 == 0:
			return 0, 0
		case flags&Segment != 0:
			return segmentBytes, segmentBytes
		}
		return 0, limit
	case Hello:
		return 0, helloBytesMax
	case Ready:
		return 0, ReadyBytesMax
	case Fault, Event:
		return 0, ReportBytesMax
	case Ping, Pong:
		return 0, PingBytesMax
	case Release:
		return releaseBytes, releaseBytes
	}
	return 0, 0
}

// seal verifies the checksum and puts meta and body in their place. Of a corrupt frame neither is kept.
func (h *header) seal(rest []byte) Frame {
	f := h.frame
	if f.Flags&Checksum != 0 && crc32.ChecksumIEEE(rest) != h.checksum {
		f.Flags |= Corrupt
		return f
	}
	f.Meta, f.Body = rest[:h.meta:h.meta], rest[h.meta:]
	return f
}
