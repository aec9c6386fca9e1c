package wire

import (
	"bytes"
	"testing"
)

func FuzzConn(f *testing.F) {
	hello := Append(nil, &Frame{Kind: Hello, Codec: uint8(JSON), Body: []byte(`{"host": "h", "versions": [1, 1], "features": ["segments"]}`)})
	f.Add(Append(hello, &Frame{Kind: Call, Codec: 0x11, Call: 1, Flags: Stream | Input, Body: []byte("{}")}), 3)
	f.Add(Append(hello, &Frame{Kind: Call, Codec: 0x11, Call: 1, Flags: Segment | Checksum, Body: make([]byte, 16)}), 1)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		reader := NewReader(&pieces{bytes.Clone(data), max(1, size%64)})
		conn := NewConn(AsGuest)
		conn.ArenaIn = 4096
		for {
			frame, err := reader.Next()
			if err != nil {
				return
			}
			if _, fault := conn.Receive(&frame); fault != nil {
				return
			}
			if conn.Phase == Greeting && frame.Kind == Hello {
				ready := Frame{Kind: Ready, Codec: uint8(JSON), Body: []byte(`{"version": 1, "language": "go", "features": ["revoke", "segments"]}`)}
				if err := conn.Send(&ready); err != nil {
					t.Fatal(err)
				}
				reader.Limit, reader.Segments = conn.Limits.FrameBytesMax, conn.Segments()
			}
			if conn.Taken() > conn.Limits.CallsMax {
				t.Fatal("more calls than the limit")
			}
		}
	})
}
