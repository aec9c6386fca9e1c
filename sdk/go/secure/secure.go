// Package secure connects clients of Dragoman over TCP with TLS.
//
//	client, err := dragoman.Dial(ctx, "tcp+tls://host:8701", secure.TLS(&tls.Config{RootCAs: pool}), dragoman.WithToken(token))
package secure

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/dragoman/dragoman/sdk/go"
)

// TLS says how the host is trusted, and what certificate the client shows; nil trusts what the system trusts.
func TLS(config *tls.Config) dragoman.DialOption {
	dialer := tls.Dialer{NetDialer: &net.Dialer{}, Config: config}
	return dragoman.WithDialer(func(ctx context.Context, address string) (dragoman.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address)
	})
}
