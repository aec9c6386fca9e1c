package main

import "encoding/json"

// helloBody is what the host says first (proto/SPEC.md, "Handshake"). The guest runs one call at a time; those that
// wait do so in its socket, so that it never waits for the gateway. A call given up is live until the guest has
// answered it, hence room for more calls than are in flight here.
func helloBody() []byte {
	body, _ := json.Marshal(map[string]any{
		"versions":    []int{wireVersion, wireVersion},
		"host":        "gateway 1",
		"call_prefix": "",
		"source":      "functions",
		"concurrency": 1,
		"limits": map[string]int{
			"frame_bytes_max": frameBytesMax, "credit_bytes": 256 << 10, "calls_max": 4 * inFlightMax,
		},
	})
	return body
}
