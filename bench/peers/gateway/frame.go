package main

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The wire's frames (proto/SPEC.md): 32 bytes of header, then meta, then body.
const (
	headerBytes   = 32
	frameBytesMax = 64 << 20
	wireVersion   = 1

	kindHello  = 1
	kindReady  = 2
	kindCall   = 3
	kindItem   = 4
	kindEnd    = 5
	kindFault  = 6
	kindCancel = 7
	kindEvent  = 9
	kindPing   = 10
	kindPong   = 11

	codecJSON  = 1
	codecBytes = 3
)

type frame struct {
	kind     byte
	codec    byte
	function uint32
	call     uint64
	amount   uint32
	body     []byte
}

// appendHeader writes the header of a frame without meta.
func (f *frame) appendHeader(out []byte) []byte {
	out = binary.LittleEndian.AppendUint32(out, uint32(len(f.body)))
	out = append(out, wireVersion, f.kind, 0, f.codec)
	out = binary.LittleEndian.AppendUint32(out, f.function)
	out = binary.LittleEndian.AppendUint32(out, 0)
	out = binary.LittleEndian.AppendUint64(out, f.call)
	out = binary.LittleEndian.AppendUint32(out, f.amount)
	return binary.LittleEndian.AppendUint32(out, 0)
}

// readFrame reads one frame; its body is the caller's to keep.
func readFrame(from io.Reader, header []byte) (frame, error) {
	if _, err := io.ReadFull(from, header); err != nil {
		return frame{}, err
	}
	length := binary.LittleEndian.Uint32(header)
	meta := binary.LittleEndian.Uint32(header[12:])
	if header[4] != wireVersion || length > frameBytesMax || meta > length {
		return frame{}, fmt.Errorf("not a frame: version %d, length %d, meta %d", header[4], length, meta)
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(from, payload); err != nil {
		return frame{}, err
	}
	return frame{
		kind:     header[5],
		codec:    header[7],
		function: binary.LittleEndian.Uint32(header[8:]),
		call:     binary.LittleEndian.Uint64(header[16:]),
		amount:   binary.LittleEndian.Uint32(header[24:]),
		body:     payload[meta:],
	}, nil
}
