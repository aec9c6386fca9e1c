package main

import (
	"net/rpc"
	"os"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

var shake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BENCH_PLUGIN", MagicCookieValue: "bench"}

// Mirror is the function behind go-plugin's net/rpc.
type Mirror struct{}

func (Mirror) Mirror(in Text, out *string) error {
	*out = in.Text
	return nil
}

// mirrorPlugin is both ends of it.
type mirrorPlugin struct{}

func (mirrorPlugin) Server(*plugin.MuxBroker) (any, error) { return Mirror{}, nil }

func (mirrorPlugin) Client(_ *plugin.MuxBroker, client *rpc.Client) (any, error) { return client, nil }

var plugins = plugin.PluginSet{"mirror": mirrorPlugin{}}

func servePlugin() {
	plugin.Serve(&plugin.ServeConfig{HandshakeConfig: shake, Plugins: plugins, Logger: hclog.NewNullLogger()})
}

// toPlugin calls this same program as a plugin, which go-plugin starts.
func toPlugin(string) (func() (string, error), error) {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: shake,
		Plugins:         plugins,
		Cmd:             exec.Command(os.Args[0], "serve-plugin"),
		Logger:          hclog.NewNullLogger(),
		Managed:         true,
	})
	ended = plugin.CleanupClients
	protocol, err := client.Client()
	if err != nil {
		return nil, err
	}
	dispensed, err := protocol.Dispense("mirror")
	if err != nil {
		return nil, err
	}
	caller := dispensed.(*rpc.Client)
	return func() (string, error) {
		var answer string
		err := caller.Call("Plugin.Mirror", Text{say}, &answer)
		return answer, err
	}, nil
}
