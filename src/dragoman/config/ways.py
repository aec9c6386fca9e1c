"""The settings of the ways in: the tables `[http]` and `[native]`."""

from __future__ import annotations

from dragoman.config.kinds import Duration, Flag, Names, Size, Text, Whole
from dragoman.config.setting import BODY_BYTES_MAX, KB, MB, Setting

HEADER = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}"

HTTP = (
    Setting("enabled", Flag(), "true", "Whether there is HTTP at all.", "enabled"),
    Setting("host", Text("a host name or an address"), '"127.0.0.1"', "The address to listen on.", "host"),
    Setting("port", Whole(0, 65535), "8700", "The port to listen on; 0 lets the system choose one.", "port"),
    Setting("body_max", Size(1, BODY_BYTES_MAX), "16MB", "The largest request body.", "body_bytes_max"),
    Setting(
        "header_max",
        Size(KB, MB),
        "64KB",
        "The largest request head: request line and headers.",
        "header_bytes_max",
    ),
    Setting("connections_max", Whole(1, 1_000_000), "10000", "Connections at a time.", "connections_max"),
    Setting(
        "header_timeout",
        Duration("10ms", "1h"),
        "10s",
        "How long a client may take to send a request's head.",
        "header_timeout_s",
    ),
    Setting(
        "body_timeout",
        Duration("10ms", "1h"),
        "30s",
        "How long a client may take to send a request's body.",
        "body_timeout_s",
    ),
    Setting(
        "keep_alive",
        Duration("10ms", "1d"),
        "75s",
        "How long an idle connection is kept open.",
        "keep_alive_s",
    ),
    Setting(
        "write_timeout",
        Duration("10ms", "1h"),
        "30s",
        "How long a client may leave a reply unread.",
        "write_timeout_s",
    ),
    Setting(
        "shutdown_grace",
        Duration("1ms", "1h", off=True),
        "30s",
        "How long calls in flight may run on after SIGTERM.",
        "shutdown_grace_s",
    ),
    Setting(
        "tls_cert", Text("a path"), "none", "The certificate chain, PEM, relative to the project's folder.", "tls_cert"
    ),
    Setting(
        "tls_key", Text("a path"), "none", "The certificate's private key, PEM. Both or neither are set.", "tls_key"
    ),
    Setting(
        "caller_header",
        Text("a header's name such as X-Forwarded-For", HEADER),
        "none",
        "A header that says who calls, for limits by caller, in place of the connection's address. It is believed: "
        "name one that your proxy sets itself and takes from nobody.",
        "caller_header",
    ),
)

ACCOUNT = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\$?"

NATIVE = (
    Setting(
        "listen",
        Names(Text("an address such as unix:///run/shop.sock or tcp+tls://127.0.0.1:8701")),
        "[]",
        "Where clients connect; none, and there is no native ingress.",
        "listen",
    ),
    Setting(
        "users",
        Names(Text("a user's name or number", ACCOUNT)),
        "[]",
        "Users who may use the UNIX sockets, besides the host's own and root.",
        "users",
    ),
    Setting(
        "group",
        Text("a group's name or number", ACCOUNT),
        "none",
        "A group whose members may use the UNIX sockets; the files become its own, with mode 0660.",
        "group",
    ),
    Setting(
        "token_file",
        Text("a path"),
        "none",
        "A file with the token that clients over TCP must show, relative to the project's folder.",
        "token_file",
    ),
    Setting(
        "tls_cert",
        Text("a path"),
        "that of `[http]`",
        "The certificate chain, PEM, relative to the project's folder.",
        "tls_cert",
    ),
    Setting("tls_key", Text("a path"), "that of `[http]`", "The certificate's private key, PEM.", "tls_key"),
    Setting("body_max", Size(1, BODY_BYTES_MAX), "16MB", "The largest input of a call.", "body_bytes_max"),
    Setting("connections_max", Whole(1, 1_000_000), "2000", "Clients at a time.", "connections_max"),
    Setting("calls_max", Whole(1, 65_536), "1024", "Calls of one client in flight.", "calls_max"),
    Setting(
        "handshake_timeout",
        Duration("10ms", "1h"),
        "10s",
        "How long a client may take to introduce itself.",
        "handshake_timeout_s",
    ),
    Setting(
        "frame_timeout",
        Duration("10ms", "1h"),
        "30s",
        "How long a frame may take to come in, once begun.",
        "frame_timeout_s",
    ),
    Setting(
        "write_timeout",
        Duration("10ms", "1h"),
        "30s",
        "How long a client may leave replies unread.",
        "write_timeout_s",
    ),
)
