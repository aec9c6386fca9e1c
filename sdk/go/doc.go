// Package dragoman makes Go functions callable from anywhere, and calls the functions of others.
//
// A worker registers its functions and serves them; a host (`dragoman serve`) builds, starts and supervises it:
//
//	type Input struct {
//		Text string `json:"text"`
//	}
//
//	func main() {
//		dragoman.Register("sha256", func(ctx context.Context, in Input) (string, error) {
//			return fmt.Sprintf("%x", sha256.Sum256([]byte(in.Text))), nil
//		})
//		dragoman.Main()
//	}
//
// A client calls the functions of a host:
//
//	client, err := dragoman.Dial(ctx, "unix:///run/dragoman.sock")
//	matrix, err := dragoman.Call[Data, [][]float64](ctx, client, "stats.correlation", data)
//
// Go structs are contracts: json tags name the properties; pointers and omitempty make them optional, and a pointer
// may be null; nil slices and maps are empty. Numbers are exact or refused, never rounded.
package dragoman
