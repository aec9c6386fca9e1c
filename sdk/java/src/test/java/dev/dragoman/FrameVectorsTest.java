package dev.dragoman;

import dev.dragoman.internal.wire.Connection;
import dev.dragoman.internal.wire.Decoder;
import dev.dragoman.internal.wire.Frame;
import dev.dragoman.internal.wire.Hello;
import dev.dragoman.internal.wire.Meta;
import dev.dragoman.internal.wire.ProtocolFault;
import dev.dragoman.internal.wire.Report;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Every vector of single frames. */
public final class FrameVectorsTest {
    private static Decoder decoder(Map<String, Object> each) {
        Decoder decoder = new Decoder();
        long limit = ((Number) each.getOrDefault("limit", 64L << 20)).longValue();
        decoder.accept(limit, Boolean.TRUE.equals(each.get("segments")));
        return decoder;
    }

    private static List<Frame> feed(Decoder decoder, byte[] data, int piece) throws ProtocolFault {
        List<Frame> frames = new ArrayList<>();
        for (int at = 0; at < data.length; at += piece) {
            decoder.feed(data, at, Math.min(piece, data.length - at), frames::add);
        }
        return frames;
    }

    public void goodFramesAreDecoded() throws Exception {
        for (Map<String, Object> each : Vectors.cases("good")) {
            @SuppressWarnings("unchecked")
            Frame wanted = Vectors.frame((Map<String, Object>) each.get("frame"));
            for (int piece : new int[] {1, 7, 1 << 20}) {
                List<Frame> frames = feed(decoder(each), Vectors.hex(each.get("hex")), piece);
                Check.equal(frames.size(), 1, (String) each.get("name"));
                Vectors.same(frames.get(0), wanted, (String) each.get("name"));
            }
        }
    }

    public void badHeadersAreRefusedHoweverTheyArrive() throws Exception {
        for (Map<String, Object> each : Vectors.cases("bad-header")) {
            for (int piece : new int[] {1, 7, 1 << 20}) {
                ProtocolFault fault = Check.thrown(
                        ProtocolFault.class, () -> feed(decoder(each), Vectors.hex(each.get("hex")), piece));
                Check.equal(fault.reason, each.get("fault"), (String) each.get("name"));
            }
        }
    }

    public void metaIsReadOrRefused() throws Exception {
        for (Map<String, Object> each : Vectors.cases("meta")) {
            String name = (String) each.get("name");
            byte[] data = Vectors.hex(each.get("meta"));
            if (each.containsKey("fault")) {
                ProtocolFault fault = Check.thrown(ProtocolFault.class, () -> Meta.decode(data));
                Check.equal(fault.reason, each.get("fault"), name);
                continue;
            }
            Meta meta = Meta.decode(data);
            Map<?, ?> wanted = (Map<?, ?>) each.get("entries");
            Check.equal(meta.callId, wanted.containsKey("call_id") ? wanted.get("call_id") : "", name);
            Check.equal(meta.function, wanted.containsKey("function") ? wanted.get("function") : "", name);
            Check.equal((long) meta.depth, wanted.containsKey("depth") ? wanted.get("depth") : 0L, name);
            Map<?, ?> trace = (Map<?, ?>) wanted.get("trace");
            Check.equal(meta.trace == null, trace == null, name);
            if (trace != null) {
                byte[] ids = Vectors.hex("00" + trace.get("trace_id") + trace.get("span_id"));
                Check.equal(java.util.Arrays.copyOf(meta.trace, 25), ids, name);
                Check.equal((long) meta.trace[25], trace.get("flags"), name);
                Check.equal(meta.traceState, trace.get("state"), name);
            }
            Meta again = Meta.decode(meta.encode());
            Check.equal(again.callId + again.function + again.depth, meta.callId + meta.function + meta.depth, name);
        }
    }

    public void entriesThatAreNotReadAreSkippedWhateverIsInThem() throws Exception {
        for (Map<String, Object> each : Vectors.cases("bad-meta-optional")) {
            Meta meta = Meta.decode(Vectors.hex(each.get("meta")));
            Check.equal(meta.encode().length, 0, (String) each.get("name"));
        }
    }

    private static void readBody(String kind, byte[] body) throws ProtocolFault {
        switch (kind) {
            case "HELLO":
                Connection guest = new Connection(false, false, 0);
                feedOne(guest, Frame.HELLO, body);
                break;
            case "READY":
                Connection host = new Connection(true, false, 0);
                host.hello("{\"host\":\"h\",\"versions\":[1,1]}".getBytes());
                feedOne(host, Frame.READY, body);
                break;
            case "FAULT":
                Report.readFault(body);
                break;
            default:
                Report.readEvent(body);
        }
    }

    private static void feedOne(Connection end, int kind, byte[] body) throws ProtocolFault {
        dev.dragoman.internal.wire.Sink sink = new dev.dragoman.internal.wire.Sink(64);
        sink.header(body.length, kind, 0, Frame.JSON, 0, 0, 0, 0, 0);
        sink.put(body);
        end.receive(sink.data, 0, sink.size, new ArrayList<>());
    }

    public void jsonBodiesAreTakenOrRefused() throws Exception {
        for (Map<String, Object> each : Vectors.cases("bodies")) {
            String kind = (String) each.get("kind");
            byte[] body = Vectors.body(each);
            if (each.containsKey("fault")) {
                ProtocolFault fault = Check.thrown(ProtocolFault.class, () -> readBody(kind, body));
                Check.equal(fault.reason, each.get("fault"), (String) each.get("name"));
            } else {
                readBody(kind, body);
            }
        }
        Check.equal(Hello.read("{\"host\":\"h\",\"versions\":[1,9]}".getBytes()).highest, 9, "highest");
    }

    public void nonsenseIsOnlyEverAProtocolFault() {
        Random random = new Random(7);
        for (int round = 0; round < 20_000; round++) {
            byte[] data = new byte[random.nextInt(100)];
            random.nextBytes(data);
            if (data.length > 12 && round % 2 == 0) {
                data[1] = data[2] = data[3] = 0;
                data[4] = 1;
                data[5] = (byte) random.nextInt(16);
                data[6] = (byte) (random.nextInt(4) == 0 ? random.nextInt(32) : 0);
                data[7] = (byte) random.nextInt(5);
            }
            try {
                feed(new Decoder(), data, 1 + random.nextInt(40));
            } catch (ProtocolFault fault) {
                Check.that(!fault.reason.isEmpty(), "a reason");
            }
        }
    }
}
