package dev.dragoman;

import dev.dragoman.internal.value.JsonWriter;
import dev.dragoman.internal.value.Mismatch;
import dev.dragoman.internal.value.Shapes;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

/**
 * Sends messages to Redis Streams, from which hosts of Dragoman make calls: the way in that needs no host to be there. It
 * speaks with Redis or Valkey itself, over one connection that any number of threads share, and that is made anew when it
 * is lost.
 *
 * <pre>{@code
 * try (Producer producer = Producer.dial("redis://:password@cache:6379")) {
 *     String id = producer.send("orders", new Order("tea"), Map.of("correlation-id", "order-17"));
 * }
 * }</pre>
 */
public final class Producer implements AutoCloseable {
    /** How long a server may take to be reached, or for one answer. */
    private static final int PATIENCE_MS = 10_000;
    /** Messages sent ahead of their answers: enough that waiting costs nothing, little to remember. */
    private static final int BATCH = 1000;
    /** Past so many bytes no more are, so that what is sent next need not wait for all of them. */
    private static final int BATCH_BYTES = 8 * 1024 * 1024;
    /** What Redis takes, unless its owner says otherwise. */
    private static final int BODY_MAX = 512 * 1024 * 1024;
    /** When a connection is looked at before it is used again: the server may have gone since. */
    private static final long IDLE_NANOS = 1_000_000_000;
    /** An answer is an id of 40 bytes, or an error of a sentence. */
    private static final int LINE_MAX = 64 * 1024;

    private static final Pattern PLACE = Pattern.compile("(\\[[0-9A-Fa-f:.%]+\\]|[^\\[\\]:@]+)(?::([0-9]{1,5}))?");
    private static final String SCHEMES = "use redis://host:6379 or rediss://host:6379";

    /** An input, as functions take it, written as JSON; bytes go as they are. */
    public record Message(Object input, Map<String, String> headers) {
        public Message(Object input) {
            this(input, Map.of());
        }
    }

    /** How a producer sends. */
    public static final class Options {
        /** The defaults. */
        public static final Options DEFAULT = new Options(null, 0);

        private final SSLContext tls;
        private final long keep;

        private Options(SSLContext tls, long keep) {
            this.tls = tls;
            this.keep = keep;
        }

        /** Whom to trust, in place of the authorities that Java trusts. */
        public Options withTls(SSLContext context) {
            return new Options(context, keep);
        }

        /**
         * A stream keeps about so many messages, the latest. Without it streams grow until somebody trims them: a queue of
         * a project does so with {@code trim = "handled"}.
         */
        public Options withKeep(long count) {
            return new Options(tls, count);
        }
    }

    private final Options options;
    private final String host;
    private final int port;
    private final boolean secure;
    private final List<List<String>> greetings = new ArrayList<>();
    private Socket socket;
    private InputStream in;
    private OutputStream out;
    private boolean closed;
    private long used;
    private Fault failure;
    private long failedAt;

    private Producer(String address, Options options) {
        this.options = options;
        URI parts;
        try {
            parts = URI.create(address);
        } catch (IllegalArgumentException error) {
            throw refused(Fault.Code.INVALID_ARGUMENT, "not the address of a server: " + SCHEMES);
        }
        String scheme = String.valueOf(parts.getScheme());
        secure = scheme.equals("rediss");
        // What java.net calls a host has no underscore; networks of containers have.
        String authority = String.valueOf(parts.getRawAuthority());
        Matcher place = PLACE.matcher(authority.substring(authority.lastIndexOf('@') + 1));
        if (!secure && !scheme.equals("redis") || parts.getRawAuthority() == null || !place.matches()) {
            throw refused(Fault.Code.INVALID_ARGUMENT, "not the address of a server: " + SCHEMES);
        }
        host = place.group(1).replaceAll("^\\[|\\]$", "");
        port = place.group(2) == null ? 6379 : Integer.parseInt(place.group(2));
        if (port > 65535) {
            throw refused(Fault.Code.INVALID_ARGUMENT, "not the address of a server: " + port + " is no port");
        }
        int at = authority.lastIndexOf('@');
        String[] who = at < 0 ? new String[0] : authority.substring(0, at).split(":", 2);
        if (who.length == 2) {
            String user = URLDecoder.decode(who[0].replace("+", "%2B"), StandardCharsets.UTF_8);
            String password = URLDecoder.decode(who[1].replace("+", "%2B"), StandardCharsets.UTF_8);
            greetings.add(user.isEmpty() ? List.of("AUTH", password) : List.of("AUTH", user, password));
        } else {
            greetings.add(List.of("PING"));
        }
        String database = String.valueOf(parts.getPath()).replaceAll("^/|/$", "");
        if (!database.matches("[0-9]{0,9}")) {
            throw refused(Fault.Code.INVALID_ARGUMENT, "'" + database + "' is no number of a database");
        }
        if (!database.isEmpty() && !database.equals("0")) {
            greetings.add(List.of("SELECT", database));
        }
    }

    /** Connects to {@code redis://user:password@host:6379/0}, or {@code rediss://} with TLS. Fails with {@link Fault}. */
    public static Producer dial(String address) {
        return dial(address, Options.DEFAULT);
    }

    /** Connects to {@code redis://user:password@host:6379/0}, or {@code rediss://} with TLS. Fails with {@link Fault}. */
    public static Producer dial(String address, Options options) {
        Producer producer = new Producer(address, options);
        synchronized (producer) {
            producer.connect();
        }
        return producer;
    }

    /** Adds a message without headers to a stream, and gives its id. */
    public String send(String stream, Object input) {
        return send(stream, input, Map.of());
    }

    /**
     * Adds one message to a stream, and gives its id. A {@link Fault} whose {@code started} is UNKNOWN may have come after
     * the message was stored.
     */
    public String send(String stream, Object input, Map<String, String> headers) {
        return sendAll(stream, List.of(new Message(input, headers))).get(0);
    }

    /**
     * Adds messages to a stream, in their order, without waiting for each, and gives their ids. Fails as the first that
     * could not be added does; those behind it may have been added.
     */
    public List<String> sendAll(String stream, List<Message> messages) {
        List<byte[]> commands = new ArrayList<>(messages.size());
        for (Message message : messages) {
            commands.add(command(stream, message));
        }
        List<String> ids = new ArrayList<>(commands.size());
        long begun = System.nanoTime();
        synchronized (this) {
            if (failure != null && failedAt - begun > 0) {
                // Somebody else has waited for the server, and it is not there.
                throw new Fault(failure.code(), failure.detail(), failure).with(Fault.Started.NO);
            }
            Fault first = null;
            for (int start = 0, end = 0; start < commands.size(); start = end) {
                for (long size = 0; end < commands.size() && end - start < BATCH && size < BATCH_BYTES; end++) {
                    size += commands.get(end).length;
                }
                Fault fault = exchange(commands.subList(start, end), ids);
                first = first == null ? fault : first;
            }
            if (first != null) {
                throw first;
            }
        }
        return Collections.unmodifiableList(ids);
    }

    /** Ends the connection. */
    @Override
    public synchronized void close() {
        closed = true;
        drop();
    }

    private byte[] command(String stream, Message message) {
        if (stream.isEmpty()) {
            throw refused(Fault.Code.INVALID_ARGUMENT, "the stream has no name");
        }
        List<String> words = new ArrayList<>(List.of("XADD", stream));
        if (options.keep > 0) {
            words.addAll(List.of("MAXLEN", "~", Long.toString(options.keep)));
        }
        words.addAll(List.of("*", "body"));
        boolean raw = message.input() instanceof byte[];
        byte[] body = raw ? (byte[]) message.input() : json(message.input());
        if (body.length > BODY_MAX) {
            String detail = "the body has " + body.length + " bytes, where " + BODY_MAX + " is the most";
            throw refused(Fault.Code.OUT_OF_RANGE, detail);
        }
        TreeMap<String, String> headers = new TreeMap<>(message.headers());
        if (raw) {
            headers.putIfAbsent("content-type", "application/octet-stream");
        }
        List<String> rest = new ArrayList<>();
        headers.forEach((name, text) -> {
            if (!name.matches("[!-@\\[-~]+") || name.equals("body")) {
                throw refused(
                        Fault.Code.INVALID_ARGUMENT,
                        "'" + name + "' cannot be the name of a header: use lower case, printable, and not body");
            }
            if (text == null) {
                throw refused(Fault.Code.INVALID_ARGUMENT, "the header " + name + " is null");
            }
            rest.addAll(List.of(name, text));
        });
        boolean whole = "1.0".equals(headers.get("ce-specversion"))
                && List.of("ce-id", "ce-source", "ce-type").stream()
                        .noneMatch(name -> headers.getOrDefault(name, "").isEmpty());
        if (!whole && headers.keySet().stream().anyMatch(name -> name.startsWith("ce-"))) {
            throw refused(
                    Fault.Code.INVALID_ARGUMENT, "an event has ce-specversion 1.0, ce-id, ce-source and ce-type");
        }
        return packed(words, body, rest);
    }

    private static byte[] json(Object input) {
        if (input == null) {
            return new byte[] {'{', '}'};
        }
        try {
            JsonWriter writer = new JsonWriter();
            Shapes.of(input instanceof Record ? Shapes.typeOf(input) : Object.class).write(input, writer);
            return writer.sink.take();
        } catch (Mismatch | IllegalArgumentException error) {
            throw refused(Fault.Code.INVALID_ARGUMENT, "the input cannot be said in JSON: " + error.getMessage());
        }
    }

    /** Sends commands, and reads an answer for each; what the first of them was refused with, if any was. */
    private Fault exchange(List<byte[]> commands, List<String> ids) {
        if (socket != null && System.nanoTime() - used > IDLE_NANOS) {
            look();
        }
        if (socket == null) {
            connect();
        }
        try {
            for (byte[] command : commands) {
                out.write(command);
            }
            out.flush();
            Fault first = null;
            for (int count = commands.size(); count > 0; count--) {
                String answer = answer();
                ids.add(answer.startsWith("-") ? "" : answer.substring(1));
                first = first == null && answer.startsWith("-") ? refusal(answer) : first;
            }
            used = System.nanoTime();
            return first;
        } catch (IOException error) {
            drop();
            throw new Fault(code(error), at() + ": " + error.getMessage() + "; it may be stored", error);
        }
    }

    /** Lets go of a connection that is gone: nothing was sent on it that may be stored. */
    private void look() {
        try {
            out.write(packed(List.of(), "PING".getBytes(StandardCharsets.US_ASCII), List.of()));
            out.flush();
            answer();
        } catch (IOException error) {
            drop();
        }
    }

    private void connect() {
        if (closed) {
            throw refused(Fault.Code.CANCELLED, "the producer is closed");
        }
        try {
            reach();
            failure = null;
        } catch (Fault fault) {
            failure = fault;
            failedAt = System.nanoTime();
            throw fault;
        }
    }

    private void reach() {
        try {
            socket = new Socket();
            socket.connect(new InetSocketAddress(host, port), PATIENCE_MS);
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(PATIENCE_MS);
            if (secure) {
                secure();
            }
            in = new BufferedInputStream(socket.getInputStream());
            out = new BufferedOutputStream(socket.getOutputStream());
            for (List<String> words : greetings) {
                int last = words.size() - 1;
                out.write(packed(words.subList(0, last), words.get(last).getBytes(StandardCharsets.UTF_8), List.of()));
                out.flush();
                String answer = answer();
                if (answer.startsWith("-")) {
                    drop();
                    throw refusal(answer);
                }
            }
            used = System.nanoTime();
        } catch (IOException error) {
            drop();
            throw new Fault(code(error), "no server at " + at() + ": " + error.getMessage(), error)
                    .with(Fault.Started.NO);
        }
    }

    private void secure() throws IOException {
        try {
            SSLContext context = options.tls == null ? SSLContext.getDefault() : options.tls;
            SSLSocket secured = (SSLSocket) context.getSocketFactory().createSocket(socket, host, port, true);
            SSLParameters parameters = secured.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            secured.setSSLParameters(parameters);
            secured.startHandshake();
            socket = secured;
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }

    /** One answer: a word behind '+', or an error behind '-'. */
    private String answer() throws IOException {
        String line = line();
        char kind = line.isEmpty() ? ' ' : line.charAt(0);
        if (kind == '+' || kind == '-' || kind == ':') {
            return line;
        }
        if (kind == '$' && line.matches("\\$[0-9]{1,5}")) {
            String word = line();
            if (word.length() == Integer.parseInt(line.substring(1))) {
                return "+" + word;
            }
        }
        throw strange(line);
    }

    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(64);
        for (int each = in.read(); each != '\n'; each = in.read()) {
            if (each < 0) {
                throw new IOException("the connection was lost");
            }
            if (line.size() > LINE_MAX) {
                throw strange(line.toString(StandardCharsets.ISO_8859_1));
            }
            line.write(each);
        }
        String text = line.toString(StandardCharsets.ISO_8859_1);
        if (!text.endsWith("\r")) {
            throw strange(text);
        }
        return text.substring(0, text.length() - 1);
    }

    private void drop() {
        try {
            if (socket != null) {
                socket.close();
            }
        } catch (IOException error) {
            // Closed all the same.
        }
        socket = null;
    }

    private String at() {
        return host + ":" + port;
    }

    private Fault refusal(String answer) {
        String text = answer.substring(1);
        Fault.Code code =
                switch (text.split(" ", 2)[0]) {
                    case "NOAUTH", "WRONGPASS" -> Fault.Code.UNAUTHENTICATED;
                    case "NOPERM" -> Fault.Code.PERMISSION_DENIED;
                    case "OOM" -> Fault.Code.RESOURCE_EXHAUSTED;
                    case "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN" ->
                        Fault.Code.UNAVAILABLE;
                    default -> Fault.Code.FAILED_PRECONDITION;
                };
        return refused(code, at() + ": " + text);
    }

    private static Fault refused(Fault.Code code, String detail) {
        return new Fault(code, detail).with(Fault.Started.NO);
    }

    private static Fault.Code code(IOException error) {
        return error instanceof SocketTimeoutException ? Fault.Code.DEADLINE_EXCEEDED : Fault.Code.UNAVAILABLE;
    }

    private static IOException strange(String line) {
        return new IOException("what answers there is no Redis: '" + line.substring(0, Math.min(40, line.length())) + "'");
    }

    /** One command as the server reads it. */
    private static byte[] packed(List<String> words, byte[] body, List<String> rest) {
        ByteArrayOutputStream to = new ByteArrayOutputStream(256 + body.length);
        to.writeBytes(("*" + (words.size() + 1 + rest.size()) + "\r\n").getBytes(StandardCharsets.US_ASCII));
        for (String word : words) {
            put(to, word.getBytes(StandardCharsets.UTF_8));
        }
        put(to, body);
        for (String word : rest) {
            put(to, word.getBytes(StandardCharsets.UTF_8));
        }
        return to.toByteArray();
    }

    private static void put(ByteArrayOutputStream to, byte[] word) {
        to.writeBytes(("$" + word.length + "\r\n").getBytes(StandardCharsets.US_ASCII));
        to.writeBytes(word);
        to.writeBytes(new byte[] {'\r', '\n'});
    }
}
