import dev.dragoman.DragomanClient;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.Callable;

/** Calls a Python function over and over, in one of several ways, and prints how long a call takes. */
public final class Caller {
    private static final String SAY = "x".repeat(89);

    record Text(String text) {}

    private static Callable<String> dragoman(String address) {
        DragomanClient client = DragomanClient.dial(address);
        return () -> client.call("functions.mirror", new Text(SAY), String.class);
    }

    private static Callable<String> ping(String address) throws IOException {
        SocketChannel wire = SocketChannel.open(StandardProtocolFamily.UNIX);
        wire.connect(UnixDomainSocketAddress.of(address));
        ByteBuffer out = ByteBuffer.allocateDirect(SAY.length()).put(SAY.getBytes(StandardCharsets.UTF_8));
        ByteBuffer in = ByteBuffer.allocateDirect(SAY.length());
        byte[] answer = new byte[SAY.length()];
        return () -> {
            wire.write(out.flip());
            in.clear();
            while (in.hasRemaining()) {
                if (wire.read(in) < 0) {
                    throw new IOException("the other side has closed");
                }
            }
            in.flip().get(answer);
            return new String(answer, StandardCharsets.UTF_8);
        };
    }

    private static Callable<String> http(String address) {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(address + "/v1/call/functions.mirror"))
                .header("content-type", "application/json");
        return () -> {
            // The text needs no escapes: what a JSON library takes is not counted.
            String body = "{\"text\":\"" + SAY + "\"}";
            HttpRequest sent = request.POST(HttpRequest.BodyPublishers.ofString(body)).build();
            String answer = client.send(sent, HttpResponse.BodyHandlers.ofString()).body();
            return answer.substring(1, answer.length() - 1);
        };
    }

    public static void main(String[] arguments) throws Exception {
        String address = arguments[1];
        int count = Integer.parseInt(arguments[2]);
        Callable<String> call = switch (arguments[0]) {
            case "dragoman" -> dragoman(address);
            case "ping" -> ping(address);
            case "http" -> http(address);
            default -> throw new IllegalArgumentException(arguments[0]);
        };
        long[] took = new long[count];
        long began = System.nanoTime();
        for (int turn = -count; turn < count; turn++) { // the first half warms up
            if (turn == 0) {
                began = System.nanoTime();
            }
            long start = System.nanoTime();
            String answer = call.call();
            if (!SAY.equals(answer)) {
                throw new IllegalStateException("answered " + answer);
            }
            if (turn >= 0) {
                took[turn] = System.nanoTime() - start;
            }
        }
        double rate = count / ((System.nanoTime() - began) / 1e9);
        Arrays.sort(took);
        System.out.println(String.format(Locale.ROOT, "{\"p50_us\": %f, \"p99_us\": %f, \"rate_s\": %f}",
                took[count / 2] / 1e3, took[(int) (count * 0.99)] / 1e3, rate));
        System.exit(0);
    }
}
