import dev.dragoman.Fault;
import dev.dragoman.Producer;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;

/** Sends what it is told to, line by line, and says what came of it. */
public final class Sending {
    record Order(String item, int count, Object note, List<Integer> lines, Map<String, Integer> more) {}

    record Tea(String item) {}

    private static final Map<String, String> EVENT = Map.of(
            "ce-specversion", "1.0", "ce-id", "17", "ce-source", "/shop", "ce-type", "order", "ce-subject", "é");
    private static final Map<String, String> HEADERS = Map.of(
            "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "dragoman-deadline", "2099-01-01T00:00:00Z",
            "dragoman-priority", "critical",
            "idempotency-key", "order-17",
            "correlation-id", "a\r\nb ☕");

    private static void table(Producer producer) {
        Map<String, String> both = new HashMap<>(EVENT);
        both.putAll(HEADERS);
        BigInteger large = new BigInteger("18446744073709551615");
        producer.send("table", new Order("tea", 2, null, List.of(), Map.of()));
        producer.send("table", "é ☕ <&> \" \\ / \n \t \001 \177 \u2028 😀");
        producer.send(
                "table", Arrays.asList(0, -1, 9007199254740993L, large, 1.5, -0.25, 0.1, true, false, null));
        producer.send("table", null);
        producer.send("table", new byte[] {0, (byte) 255, '\r', '\n'});
        producer.send("table", new byte[] {'1'}, Map.of("content-type", "application/json"));
        producer.send("table", new Tea("tea"), HEADERS);
        producer.send("table", new Tea("tea"), EVENT);
        producer.send("table", new Tea("tea"), both);
        producer.sendAll("table", List.of(new Producer.Message("a"), new Producer.Message("b")));
    }

    private static void crowd(Producer producer, String stream, int threads, int count) throws Exception {
        AtomicReference<Fault> failed = new AtomicReference<>();
        List<Thread> all = new ArrayList<>();
        for (int number = 0; number < threads; number++) {
            int first = number * count;
            Thread thread = new Thread(() -> {
                try {
                    for (int each = 0; each < count; each++) {
                        producer.send(stream, first + each);
                    }
                } catch (Fault fault) {
                    failed.set(fault);
                }
            });
            all.add(thread);
            thread.start();
        }
        for (Thread each : all) {
            each.join();
        }
        if (failed.get() != null) {
            throw failed.get();
        }
    }

    private static void act(Producer producer, String verb, String stream, int number, int count) throws Exception {
        switch (verb) {
            case "table" -> table(producer);
            case "send" -> producer.send(stream, number);
            case "all" -> {
                List<Producer.Message> messages = new ArrayList<>();
                for (int each = 0; each < count; each++) {
                    messages.add(new Producer.Message(each));
                }
                producer.sendAll(stream, messages);
            }
            case "crowd" -> crowd(producer, stream, number, count);
            case "heavy" -> {
                Producer.Message heavy = new Producer.Message(new byte[number]);
                producer.sendAll(stream, java.util.Collections.nCopies(count, heavy));
            }
            case "large" -> producer.send(stream, new byte[number]);
            default -> producer.close();
        }
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Producer producer = null;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            try {
                if (producer == null) {
                    long keep = Long.parseLong(arguments[1]);
                    producer = Producer.dial(arguments[0], Producer.Options.DEFAULT.withKeep(keep));
                }
                act(producer, words[0], words[1], Integer.parseInt(words[2]), Integer.parseInt(words[3]));
                out.println("ok");
            } catch (Fault fault) {
                out.println(fault.code() + " " + fault.started() + " " + fault.getMessage().replace('\n', ' '));
            }
        }
    }
}
