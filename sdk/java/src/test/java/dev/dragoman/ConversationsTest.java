package dev.dragoman;

import dev.dragoman.internal.wire.Connection;
import dev.dragoman.internal.wire.Decoder;
import dev.dragoman.internal.wire.Frame;
import dev.dragoman.internal.wire.Live;
import dev.dragoman.internal.wire.ProtocolFault;
import dev.dragoman.internal.value.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Every conversation of the vectors, at either side, whole and in small pieces. */
public final class ConversationsTest {
    private static List<Frame> decode(byte[] data) throws ProtocolFault {
        List<Frame> frames = new ArrayList<>();
        Decoder decoder = new Decoder();
        decoder.accept(64L << 20, true);
        decoder.feed(data, 0, data.length, frames::add);
        return frames;
    }

    @SuppressWarnings("unchecked")
    private static void send(Connection end, Frame frame, boolean host) throws Exception {
        Live call = end.find(frame.call);
        byte[] data = frame.isSegment() ? null : frame.body;
        int from = frame.isSegment() ? (int) (frame.offset >> 6) : 0;
        long size = frame.bodySize();
        switch (frame.kind) {
            case Frame.HELLO:
                end.hello(frame.body);
                break;
            case Frame.READY:
                Map<String, Object> ready = (Map<String, Object>) Json.readLeniently(frame.body);
                end.ready(frame.body, (List<String>) ready.getOrDefault("features", List.of()));
                break;
            case Frame.CALL:
                int flags = frame.flags & (Frame.STREAM | Frame.INPUT);
                end.call(frame.call, frame.function, flags, frame.codec, frame.meta, frame.amount, data, from, size);
                break;
            case Frame.ITEM:
                end.item(call, frame.codec, data, from, size);
                break;
            case Frame.END:
                if (call != null && call.made) {
                    end.endInput(call);
                } else {
                    end.end(frame.call, frame.codec, data, from, size, frame.amount);
                }
                break;
            case Frame.FAULT:
                end.fault(frame.call, frame.body, frame.amount, frame.has(Frame.UNSTARTED));
                break;
            case Frame.CANCEL:
                Check.that(end.cancel(frame.call, frame.has(Frame.UNSTARTED)), "cancelled");
                break;
            case Frame.CREDIT:
                end.credit(call, frame.amount);
                break;
            case Frame.EVENT:
                end.event(frame.call, frame.body);
                break;
            case Frame.PING:
                end.ping(frame.body);
                break;
            case Frame.PONG:
                end.pong(frame.body);
                break;
            case Frame.DRAIN:
                end.drain();
                break;
            case Frame.BYE:
                end.bye();
                break;
            default:
                end.release(java.nio.ByteBuffer.wrap(frame.body).order(java.nio.ByteOrder.LITTLE_ENDIAN).getLong());
        }
        List<Frame> sent = decode(end.out.take());
        Check.equal(sent.size(), 1, "frames sent for " + frame);
        Frame wanted = new Frame(
                frame.kind,
                frame.flags & ~Frame.CHECKSUM,
                frame.codec,
                frame.function,
                frame.call,
                frame.amount,
                frame.meta,
                frame.body,
                frame.offset,
                frame.size);
        Vectors.same(sent.get(0), wanted, frame.toString());
    }

    private static List<Frame> feed(Connection end, byte[] data, int piece) throws ProtocolFault {
        List<Frame> frames = new ArrayList<>();
        for (int at = 0; at < data.length; at += piece) {
            end.receive(data, at, Math.min(piece, data.length - at), frames);
        }
        return frames;
    }

    @SuppressWarnings("unchecked")
    private static void looksLike(Frame frame, Map<String, Object> wanted) throws Exception {
        Check.equal(Frame.nameOf(frame.kind), wanted.get("kind"), "kind");
        Check.equal(frame.call, Vectors.call(wanted), "call");
        if (wanted.containsKey("body_hex")) {
            Check.equal(frame.body, Vectors.hex(wanted.get("body_hex")), "body");
        }
        for (String key : List.of("code", "started")) {
            if (wanted.containsKey(key)) {
                Map<String, Object> body = (Map<String, Object>) Json.readLeniently(frame.body);
                Check.equal(body.get(key), wanted.get(key), key);
            }
        }
    }

    @SuppressWarnings("unchecked")
    private static void receive(Connection end, Map<String, Object> step, int piece) throws Exception {
        byte[] data = Vectors.hex(step.get("hex"));
        if (step.containsKey("fault")) {
            ProtocolFault fault = Check.thrown(ProtocolFault.class, () -> feed(end, data, piece));
            Check.equal(fault.reason, step.get("fault"), "reason: " + fault.getMessage());
            return;
        }
        List<Frame> frames = feed(end, data, piece);
        Object result = step.get("result");
        if (result == null) {
            Check.equal(frames.size(), 1, "frames given");
            Vectors.same(frames.get(0), Vectors.frame((Map<String, Object>) step.get("frame")), "given");
        } else if (result.equals("dropped")) {
            Check.equal(frames.size(), 0, "frames given");
        } else {
            looksLike(frames.get(0), (Map<String, Object>) result);
        }
        List<Frame> answers = decode(end.out.take());
        Check.equal(answers.size(), step.containsKey("answer") ? 1 : 0, "answers " + answers);
        if (step.containsKey("answer")) {
            looksLike(answers.get(0), (Map<String, Object>) step.get("answer"));
        }
    }

    @SuppressWarnings("unchecked")
    private static void play(Map<String, Object> talk, String view, int piece) throws Exception {
        boolean host = view.equals("host");
        long arena = ((Number) talk.getOrDefault("arena_bytes", 0L)).longValue();
        Connection end = new Connection(host, "client".equals(talk.get("peer")), arena);
        int number = 0;
        for (Map<String, Object> step : (List<Map<String, Object>>) talk.get("steps")) {
            try {
                if (!step.get("from").equals(view)) {
                    receive(end, step, piece);
                } else if (!step.containsKey("fault") && step.containsKey("frame")) {
                    send(end, Vectors.frame((Map<String, Object>) step.get("frame")), host);
                }
            } catch (Exception | AssertionError error) {
                throw new AssertionError("step " + number + ": " + error.getMessage(), error);
            }
            number++;
        }
    }

    public void everyConversationGoesAsWritten() throws Exception {
        List<Path> paths;
        try (Stream<Path> found = Files.list(Vectors.ROOT.resolve("conversations"))) {
            paths = found.sorted().collect(Collectors.toList());
        }
        Check.that(paths.size() > 200, "conversations: " + paths.size());
        List<String> failed = new ArrayList<>();
        for (Path path : paths) {
            Map<String, Object> talk = Vectors.load(path);
            for (Object view : (List<?>) talk.get("views")) {
                for (int piece : new int[] {1 << 20, 37, 1}) {
                    try {
                        play(talk, (String) view, piece);
                    } catch (AssertionError error) {
                        failed.add(path.getFileName() + " as " + view + " by " + piece + ": " + error.getMessage());
                    }
                }
            }
        }
        Check.that(failed.isEmpty(), failed.size() + " failed:\n" + String.join("\n", failed));
    }
}
