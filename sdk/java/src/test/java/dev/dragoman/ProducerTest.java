package dev.dragoman;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

/** The producer, against a server that answers what a test says. */
public final class ProducerTest {
    record Order(String item, int count) {}

    /** Answers each command; "" ends the connection. */
    private static final class Server implements AutoCloseable {
        final ServerSocket socket;
        final List<List<String>> commands = Collections.synchronizedList(new ArrayList<>());
        final BiFunction<Integer, List<String>, String> say;

        Server(BiFunction<Integer, List<String>, String> say) throws IOException {
            this.say = say;
            socket = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
            Thread thread = new Thread(this::accept);
            thread.setDaemon(true);
            thread.start();
        }

        private void accept() {
            while (!socket.isClosed()) {
                try (Socket client = socket.accept()) {
                    talk(client);
                } catch (IOException | NumberFormatException error) {
                    // The next one.
                }
            }
        }

        private void talk(Socket client) throws IOException {
            InputStream in = new BufferedInputStream(client.getInputStream());
            for (int count = number(in); count > 0; count = number(in)) {
                List<String> command = new ArrayList<>();
                for (; count > 0; count--) {
                    byte[] word = in.readNBytes(number(in));
                    in.readNBytes(2);
                    command.add(new String(word, StandardCharsets.ISO_8859_1));
                }
                commands.add(command);
                String answer = say.apply(commands.size(), command);
                if (answer.isEmpty()) {
                    return;
                }
                client.getOutputStream().write((answer + "\r\n").getBytes(StandardCharsets.ISO_8859_1));
            }
        }

        private static int number(InputStream in) throws IOException {
            StringBuilder line = new StringBuilder();
            for (int each = in.read(); each != '\n'; each = in.read()) {
                if (each < 0) {
                    return 0;
                }
                line.append((char) each);
            }
            return Integer.parseInt(line.substring(1).trim());
        }

        String url() {
            return "redis://127.0.0.1:" + socket.getLocalPort();
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }

    private static String fine(int number, List<String> command) {
        String id = number + "-0";
        return command.get(0).equals("XADD") ? "$" + id.length() + "\r\n" + id : "+OK";
    }

    private static void same(Object wanted, Object actual) {
        Check.equal(actual, wanted, "it is");
    }

    private static Fault fails(Runnable work) {
        try {
            work.run();
        } catch (Fault fault) {
            return fault;
        }
        throw new AssertionError("it did not fail");
    }

    public void aMessageIsAnEntryWithABodyAndHeaders() throws Exception {
        try (Server server = new Server(ProducerTest::fine)) {
            String address = server.url().replace("redis://", "redis://me:p%40s+s@") + "/3";
            try (Producer producer = Producer.dial(address, Producer.Options.DEFAULT.withKeep(100))) {
                same("3-0", producer.send("orders", new Order("tea", 2), Map.of("correlation-id", "o\r\n1")));
                producer.send("s", new byte[] {0, (byte) 255});
                producer.send("s", null);
                producer.send("s", Map.of("a", List.of(1, 2)));
            }
            same(List.of("AUTH", "me", "p@s+s"), server.commands.get(0));
            same(List.of("SELECT", "3"), server.commands.get(1));
            same(
                    "XADD orders MAXLEN ~ 100 * body {\"item\":\"tea\",\"count\":2} correlation-id o\r\n1",
                    String.join(" ", server.commands.get(2)));
            same(
                    "XADD s MAXLEN ~ 100 * body \0\u00ff content-type application/octet-stream",
                    String.join(" ", server.commands.get(3)));
            same("{}", server.commands.get(4).get(7));
            same("{\"a\":[1,2]}", server.commands.get(5).get(7));
        }
    }

    public void manyAreSentInTheirOrderAndTheFirstThatIsRefusedIsTold() throws Exception {
        try (Server server = new Server((number, command) ->
                command.get(command.size() - 1).equals("2") ? "-OOM command not allowed" : fine(number, command))) {
            try (Producer producer = Producer.dial(server.url())) {
                List<Producer.Message> messages = new ArrayList<>();
                for (int number = 0; number < 2500; number++) {
                    messages.add(new Producer.Message(number));
                }
                same(Fault.Code.RESOURCE_EXHAUSTED, fails(() -> producer.sendAll("s", messages)).code());
                List<Producer.Message> two = List.of(new Producer.Message("a"), new Producer.Message("b"));
                same(List.of("2502-0", "2503-0"), producer.sendAll("s", two));
            }
        }
    }

    public void aConnectionThatIsLostIsMadeAnewAndTheFaultSaysWhatMayBeStored() throws Exception {
        try (Server server = new Server((number, command) -> number == 3 ? "" : fine(number, command))) {
            try (Producer producer = Producer.dial(server.url())) {
                producer.send("s", 1);
                Fault fault = fails(() -> producer.send("s", 2));
                same(Fault.Code.UNAVAILABLE, fault.code());
                same(Fault.Started.UNKNOWN, fault.started());
                same("5-0", producer.send("s", 3));
            }
        }
        same(Fault.Started.NO, fails(() -> Producer.dial("redis://127.0.0.1:9")).started());
    }

    public void refusalsHaveCodes() throws Exception {
        Map<String, Fault.Code> codes = Map.of(
                "-NOAUTH Authentication required.", Fault.Code.UNAUTHENTICATED,
                "-NOPERM no permissions", Fault.Code.PERMISSION_DENIED,
                "-LOADING", Fault.Code.UNAVAILABLE,
                "-WRONGTYPE Operation", Fault.Code.FAILED_PRECONDITION);
        for (Map.Entry<String, Fault.Code> each : codes.entrySet()) {
            try (Server server = new Server(
                            (number, command) -> command.get(0).equals("XADD") ? each.getKey() : "+OK");
                    Producer producer = Producer.dial(server.url())) {
                Fault fault = fails(() -> producer.send("s", 1));
                same(each.getValue(), fault.code());
                same(Fault.Started.NO, fault.started());
            }
        }
    }

    public void whatIsNoRedisIsTold() throws Exception {
        for (String answer : List.of("HTTP/1.1 400 Bad Request", "$99999999999", "$3\r\nab", "*1", "x".repeat(200_000))) {
            try (Server server = new Server((number, command) -> answer)) {
                same(Fault.Code.UNAVAILABLE, fails(() -> Producer.dial(server.url())).code());
            }
        }
    }

    public void whatCannotBeSentIsRefusedBeforeItIs() throws Exception {
        try (Server server = new Server(ProducerTest::fine)) {
            Producer producer = Producer.dial(server.url());
            for (String name : List.of("body", "Upper", "", "a b", "ce-id")) {
                same(Fault.Code.INVALID_ARGUMENT, fails(() -> producer.send("s", 1, Map.of(name, "x"))).code());
            }
            same(Fault.Code.INVALID_ARGUMENT, fails(() -> producer.send("s", new Object())).code());
            same(Fault.Code.INVALID_ARGUMENT, fails(() -> producer.send("", 1)).code());
            Map<String, String> none = Collections.singletonMap("a", null);
            same(Fault.Code.INVALID_ARGUMENT, fails(() -> producer.send("s", 1, none)).code());
            same(Fault.Code.UNAVAILABLE, fails(() -> Producer.dial("redis://no_such_host.invalid:9/1")).code());
            producer.close();
            same(Fault.Code.CANCELLED, fails(() -> producer.send("s", 1)).code());
            for (String address : List.of("http://h", "redis://h/x", "redis://", "%", "redis://h:99999", "redis://h:x")) {
                same(Fault.Code.INVALID_ARGUMENT, fails(() -> Producer.dial(address)).code());
            }
            same(1, server.commands.size());
        }
    }
}
