package secure

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dragoman/dragoman/sdk/go"
	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

// greet says HELLO to whoever comes, and echoes a PING if READY brought the token.
func greet(listener net.Listener) {
	for {
		raw, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer raw.Close()
			hello, _ := json.Marshal(wire.HelloBody{Host: "fake/1", Versions: [2]int64{1, 1}, Service: "shop", Concurrency: 1, Limits: wire.DefaultLimits})
			if _, err := raw.Write(wire.Append(nil, &wire.Frame{Kind: wire.Hello, Codec: 1, Body: hello})); err != nil {
				return
			}
			reader := wire.NewReader(raw)
			ready, err := reader.Next()
			if err != nil || !strings.HasPrefix(string(ready.Body), `{"token":"s3"`) {
				return
			}
			for {
				frame, err := reader.Next()
				if err != nil {
					return
				}
				if frame.Kind == wire.Ping {
					_, _ = raw.Write(wire.Append(nil, &wire.Frame{Kind: wire.Pong, Body: frame.Body}))
				}
			}
		}()
	}
}

func TestTLS(t *testing.T) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(crand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, _ := x509.ParseCertificate(raw)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	go greet(listener)
	address := "tcp+tls://" + listener.Addr().String()
	if _, err := dragoman.Dial(context.Background(), address, TLS(nil)); !errors.Is(err, dragoman.Unavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Fatal("an unknown certificate was trusted:", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	client, err := dragoman.Dial(context.Background(), address, TLS(&tls.Config{RootCAs: pool}), dragoman.WithToken("s3"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if client.Service() != "shop" {
		t.Fatal(client.Service())
	}
}
