package dev.dragoman.internal.wire;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32;

/**
 * One end of a wire without its I/O: bytes in, checked frames out; sends in, bytes out (to `out`). It guards nothing
 * itself: whoever shares it between threads holds a lock.
 */
public final class Connection {
    public static final int START = 0;
    public static final int GREETING = 1;
    public static final int OPEN = 2;
    public static final int REFUSING = 3;
    public static final int DRAINING = 4;
    public static final int LEFT = 5;
    public static final int CLOSED = 6;

    private static final String[] PHASES = {"start", "greeting", "open", "refusing", "draining", "left", "closed"};
    private static final int PINGS_MAX = 16;

    // Steps beyond the kinds: CANCEL and FAULT told apart by what they mean.
    private static final int REVOKE = 15;
    private static final int RETURN = 16;
    private static final int FAILURE = 17;

    private static final int HELLO = 1 << Frame.HELLO;
    private static final int READY = 1 << Frame.READY;
    private static final int CALL = 1 << Frame.CALL;
    private static final int EVENT = 1 << Frame.EVENT;
    private static final int DRAIN = 1 << Frame.DRAIN;
    private static final int BYE = 1 << Frame.BYE;
    private static final int FAIL = 1 << FAILURE;
    private static final int CANCEL = 1 << Frame.CANCEL;
    private static final int TALK = 1 << Frame.ITEM
            | 1 << Frame.END
            | 1 << Frame.FAULT
            | 1 << RETURN
            | 1 << Frame.CREDIT
            | 1 << Frame.PING
            | 1 << Frame.PONG
            | 1 << Frame.RELEASE;
    private static final int HOST_TALK = TALK | CANCEL | 1 << REVOKE;
    private static final int GUEST_TALK = TALK | CANCEL | EVENT;

    /** What a host may send to a guest, by phase; then what it may receive; then the same between host and client. */
    private static final int[] HOST_SENDS = {
        HELLO, FAIL, CALL | HOST_TALK | DRAIN | BYE | FAIL, HOST_TALK | DRAIN | BYE | FAIL, HOST_TALK | DRAIN | BYE | FAIL, 0, BYE
    };

    private static final int[] HOST_TAKES = {
        0,
        EVENT | READY | FAIL,
        CALL | GUEST_TALK | DRAIN | FAIL,
        CALL | GUEST_TALK | DRAIN | FAIL,
        CALL | GUEST_TALK | DRAIN | BYE | FAIL,
        READY | CALL | GUEST_TALK | DRAIN | BYE | FAIL,
        0
    };
    private static final int[] GUEST_SENDS = {
        0,
        EVENT | READY | FAIL,
        CALL | GUEST_TALK | DRAIN | FAIL,
        CALL | GUEST_TALK | FAIL,
        CALL | GUEST_TALK | DRAIN | BYE | FAIL,
        0,
        BYE
    };
    private static final int[] GUEST_TAKES = {
        HELLO,
        FAIL,
        CALL | HOST_TALK | DRAIN | BYE | FAIL,
        CALL | HOST_TALK | DRAIN | BYE | FAIL,
        HOST_TALK | DRAIN | BYE | FAIL,
        CALL | HOST_TALK | DRAIN | BYE | FAIL,
        0
    };
    private static final int[] CLIENTS_HOST_SENDS = {
        HELLO, FAIL, TALK | DRAIN | BYE | FAIL, 0, TALK | DRAIN | BYE | FAIL, 0, BYE
    };
    private static final int[] CLIENTS_HOST_TAKES = {
        0, READY | FAIL, CALL | CANCEL | TALK | BYE | FAIL, 0, CALL | CANCEL | TALK | BYE | FAIL,
        READY | CALL | CANCEL | TALK | BYE | FAIL, 0
    };
    private static final int[] CLIENT_SENDS = {
        0, READY | FAIL, CALL | CANCEL | TALK | BYE | FAIL, 0, CANCEL | TALK | BYE | FAIL, 0, BYE
    };
    private static final int[] CLIENT_TAKES = {
        HELLO, FAIL, TALK | DRAIN | BYE | FAIL, 0, TALK | DRAIN | BYE | FAIL, TALK | DRAIN | BYE | FAIL, 0
    };

    public final Sink out = new Sink(64 * 1024);
    private final boolean host;
    private final boolean client;
    private final int[] sends;
    private final int[] takes;
    private final int everTakes;
    private final Decoder decoder = new Decoder();
    private final Decoder.Taker taker = this::accept;
    private final Calls calls = new Calls();
    private final ArrayDeque<byte[]> pings = new ArrayDeque<>();
    private final TreeMap<Long, Long> borrowed = new TreeMap<>();
    private final TreeMap<Long, Long> lent = new TreeMap<>();
    private final long arenaBytes;
    private List<Frame> accepted;
    private int phase = START;
    private int made;
    private int taken;
    private Hello hello;
    private List<String> features = List.of();
    private boolean segments;

    /** `arenaBytes` is the size of the peer's arena, 0 for none. */
    public Connection(boolean host, boolean client, long arenaBytes) {
        this.host = host;
        this.client = client;
        this.arenaBytes = arenaBytes;
        if (client) {
            sends = host ? CLIENTS_HOST_SENDS : CLIENT_SENDS;
            takes = host ? CLIENTS_HOST_TAKES : CLIENT_TAKES;
        } else {
            sends = host ? HOST_SENDS : GUEST_SENDS;
            takes = host ? HOST_TAKES : GUEST_TAKES;
        }
        int ever = 0;
        for (int mask : takes) {
            ever |= mask;
        }
        everTakes = ever;
    }

    public int phase() {
        return phase;
    }

    /** What the host said first; null before. */
    public Hello hello() {
        return hello;
    }

    /** Features of READY, at the host. */
    public List<String> features() {
        return features;
    }

    /** Whether both sides agreed on bodies in shared memory. */
    public boolean segments() {
        return segments;
    }

    public boolean canCall() {
        return (sends[phase] & CALL) != 0 && made < hello.callsMax;
    }

    public boolean isOpen() {
        return phase >= OPEN && phase <= DRAINING;
    }

    /** Calls taken and not yet answered. */
    public int taken() {
        return taken;
    }

    /** Calls made and not yet answered. */
    public int made() {
        return made;
    }

    public Live find(long call) {
        return calls.get(call);
    }

    public Live[] live() {
        return calls.all();
    }

    // Receiving

    /** Takes bytes; adds the frames to act on to `frames`, also those before a fault. */
    public void receive(byte[] data, int from, int count, List<Frame> frames) throws ProtocolFault {
        accepted = frames;
        decoder.feed(data, from, count, taker);
    }

    /** Takes the end of the peer's bytes. */
    public void receiveEnd() throws ProtocolFault {
        if (decoder.isInside()) {
            throw new ProtocolFault("truncated", "the peer's bytes end inside a frame");
        }
        boolean mayJustClose = client && host && isOpen();
        if (phase != CLOSED && phase != LEFT && !mayJustClose) {
            throw new ProtocolFault("truncated", "the peer closed without BYE while " + PHASES[phase]);
        }
    }

    private static int stepOf(Frame frame) {
        if (frame.kind == Frame.CANCEL && frame.has(Frame.UNSTARTED)) {
            return REVOKE;
        }
        if (frame.kind == Frame.FAULT) {
            return frame.call == 0 ? FAILURE : frame.has(Frame.UNSTARTED) ? RETURN : Frame.FAULT;
        }
        return frame.kind;
    }

    private boolean isOwn(long call) {
        return call != 0 && (host ? call > 0 : call < 0);
    }

    private boolean isPeers(long call) {
        return call != 0 && (host ? call < 0 : call > 0);
    }

    private void accept(Frame frame) throws ProtocolFault {
        int step = stepOf(frame);
        if ((takes[phase] & 1 << step) == 0) {
            boolean known = (everTakes & 1 << step) != 0;
            throw new ProtocolFault(
                    known ? "state" : "direction", Frame.nameOf(frame.kind) + " while the connection is " + PHASES[phase]);
        }
        if (phase == LEFT) {
            return;
        }
        if (frame.has(Frame.CORRUPT)) {
            corrupt(frame, step);
            return;
        }
        if (frame.isSegment()) {
            borrow(frame);
        }
        switch (step) {
            case Frame.CALL:
                onCall(frame);
                break;
            case Frame.ITEM:
            case Frame.END:
                if (isOwn(frame.call)) {
                    onReply(frame, step);
                } else {
                    onInput(frame);
                }
                break;
            case Frame.FAULT:
            case RETURN:
                onReply(frame, step);
                break;
            case Frame.CANCEL:
            case REVOKE:
                onCancel(frame, step);
                break;
            case Frame.CREDIT:
                onCredit(frame);
                break;
            default:
                onConnection(frame, step);
        }
    }

    private void onCall(Frame frame) throws ProtocolFault {
        Live call = take(frame);
        give(frame, call);
    }

    private Live take(Frame frame) throws ProtocolFault {
        if (!isPeers(frame.call)) {
            throw new ProtocolFault("call_id", "CALL with an id that is not the peer's to give");
        }
        if (calls.get(frame.call) != null) {
            throw new ProtocolFault("duplicate_call", "CALL with an id that is in flight already");
        }
        if (taken >= hello.callsMax) {
            throw new ProtocolFault("calls", "more than " + hello.callsMax + " calls in flight");
        }
        if (host && frame.has(Frame.INPUT) && !hello.features.contains("input")) {
            throw new ProtocolFault("flags", "INPUT, which was not offered");
        }
        if (!frame.has(Frame.CORRUPT) && (host || frame.meta.length > 0)) {
            Meta meta = Meta.decode(frame.meta);
            if (host && meta.function.isEmpty()) {
                throw new ProtocolFault("meta", "CALL from a guest without FUNCTION");
            }
        }
        Live call = new Live(frame.call, false, frame.flags, hello.creditBytes);
        calls.put(frame.call, call);
        taken++;
        return call;
    }

    private void onReply(Frame frame, int step) throws ProtocolFault {
        Live call = isOwn(frame.call) ? calls.get(frame.call) : null;
        if (call == null) {
            throw new ProtocolFault("unknown_call", Frame.nameOf(frame.kind) + " for a call that is not in flight");
        }
        if (step == RETURN && call.state != Live.REVOKING && call.state != Live.CANCELLING) {
            throw new ProtocolFault("revoke", "a call given back that nobody wanted back");
        }
        if (step == Frame.ITEM) {
            if (!call.streams) {
                throw new ProtocolFault("stream", "ITEM for a call that did not ask for a stream");
            }
            call.receive(frame.cost());
            call.items = true;
            if (call.state == Live.WAITING) {
                call.state = Live.STREAMING;
            }
            if (call.spoiled) {
                drop(frame);
            } else {
                give(frame, call);
            }
            return;
        }
        if (step == Frame.END && call.items && frame.bodySize() > 0) {
            throw new ProtocolFault("stream", "END of a stream with a body");
        }
        forget(call);
        if (call.spoiled) {
            drop(frame);
            give(dataLoss(frame, "the reply came with a checksum that does not match", "yes"), call);
        } else {
            give(frame, call);
        }
    }

    private void give(Frame frame, Live call) {
        frame.live = call;
        accepted.add(frame);
    }

    private void onInput(Frame frame) throws ProtocolFault {
        if (frame.call == 0) {
            throw new ProtocolFault("unknown_call", Frame.nameOf(frame.kind) + " for no call");
        }
        Live call = calls.get(frame.call);
        if (call == null) {
            drop(frame);
            return;
        }
        if (!call.input) {
            throw new ProtocolFault("stream", Frame.nameOf(frame.kind) + " for a call without INPUT");
        }
        if (call.inputClosed) {
            throw new ProtocolFault("stream", Frame.nameOf(frame.kind) + " after the end of the input");
        }
        if (frame.kind == Frame.ITEM) {
            call.receive(frame.cost());
        } else {
            if (frame.bodySize() > 0) {
                throw new ProtocolFault("stream", "the end of an input with a body");
            }
            call.inputClosed = true;
        }
        if (call.spoiled) {
            drop(frame);
        } else {
            give(frame, call);
        }
    }

    private void onCancel(Frame frame, int step) throws ProtocolFault {
        if (!isPeers(frame.call)) {
            throw new ProtocolFault("call_id", "CANCEL of a call that the peer did not make");
        }
        if (step == REVOKE && !features.contains("revoke")) {
            throw new ProtocolFault("revoke", "a revoke, which was not offered");
        }
        Live call = calls.get(frame.call);
        if (call == null) {
            return;
        }
        if (step == REVOKE) {
            if (call.state == Live.REVOKING || call.state == Live.CANCELLING) {
                throw new ProtocolFault("state", "a revoke after a revoke or a cancel");
            }
            if (call.state == Live.WAITING) {
                call.state = Live.REVOKING;
            }
        } else {
            call.state = Live.CANCELLING;
            call.inputClosed = true;
        }
        give(frame, call);
    }

    private void onCredit(Frame frame) throws ProtocolFault {
        if (frame.call == 0) {
            throw new ProtocolFault("unknown_call", "CREDIT for no call");
        }
        Live call = calls.get(frame.call);
        if (isOwn(frame.call)) {
            if (call == null) {
                throw new ProtocolFault("unknown_call", "CREDIT for a call that is not in flight");
            }
            if (!call.input) {
                throw new ProtocolFault("stream", "CREDIT for a call without INPUT");
            }
            if (call.inputClosed) {
                return;
            }
        } else {
            if (call == null) {
                return;
            }
            if (!call.streams) {
                throw new ProtocolFault("stream", "CREDIT for a call that did not ask for a stream");
            }
        }
        call.grant(frame.amount);
        give(frame, call);
    }

    private void onConnection(Frame frame, int step) throws ProtocolFault {
        switch (step) {
            case Frame.HELLO:
                hello = Hello.read(frame.body);
                enter(GREETING);
                if (hello.highest < 1 || hello.lowest > 1) {
                    throw new ProtocolFault(
                            "handshake",
                            "no common version: the host speaks " + hello.lowest + " to " + hello.highest
                                    + ", this library 1");
                }
                break;
            case Frame.READY:
                features = Hello.readReady(frame.body, hello, client);
                if (client && (features.contains("progress") || features.contains("revoke") || features.contains("segments"))) {
                    throw new ProtocolFault("handshake", "a client that offers what only guests have");
                }
                agree();
                enter(OPEN);
                break;
            case Frame.EVENT:
                if (frame.call < 0) {
                    throw new ProtocolFault("call_id", "EVENT about a call that the host did not make");
                }
                break;
            case Frame.PONG:
                byte[] asked = pings.poll();
                if (asked == null || !Arrays.equals(asked, frame.body)) {
                    throw new ProtocolFault("pong", "a PONG that echoes no PING");
                }
                break;
            case Frame.DRAIN:
                if (host) {
                    enter(phase == DRAINING ? DRAINING : REFUSING);
                } else {
                    enter(DRAINING);
                }
                break;
            case Frame.BYE:
                if (host && !client && made > 0) {
                    throw new ProtocolFault("state", "BYE with calls unanswered");
                }
                forgetAll();
                enter(CLOSED);
                break;
            case FAILURE:
                forgetAll();
                enter(CLOSED);
                break;
            case Frame.RELEASE:
                if (!segments || lent.remove(Decoder.int64(frame.body, 0)) == null) {
                    throw new ProtocolFault("segment", "RELEASE of a region that is not lent");
                }
                break;
            default:
                break;
        }
        accepted.add(frame);
    }

    private void corrupt(Frame frame, int step) throws ProtocolFault {
        Live call = calls.get(frame.call);
        String kind = Frame.nameOf(frame.kind);
        boolean segment = (frame.flags & Frame.SEGMENT) != 0;
        if (segment || step != Frame.CALL && step != Frame.ITEM && step != Frame.END && step != Frame.FAULT && step != RETURN) {
            throw new ProtocolFault("checksum", kind + " with a checksum that does not match");
        }
        if (step == Frame.CALL) {
            take(frame);
            fault(frame.call, Report.fault("DATA_LOSS", "the CALL came with a checksum that does not match", "no"), 0, false);
        } else if (isOwn(frame.call)) {
            if (call == null) {
                throw new ProtocolFault("unknown_call", kind + " for a call that is not in flight");
            }
            if (step == Frame.ITEM) {
                if (!call.streams) {
                    throw new ProtocolFault("stream", "ITEM for a call that did not ask for a stream");
                }
                call.receive(frame.cost());
                if (!call.spoiled) {
                    call.spoiled = true;
                    cancel(frame.call, false);
                }
            } else {
                forget(call);
                give(dataLoss(frame, "the reply came with a checksum that does not match", "yes"), call);
            }
        } else if (step == Frame.ITEM || step == Frame.END) {
            if (call == null) {
                return;
            }
            if (!call.input || call.inputClosed) {
                throw new ProtocolFault("stream", kind + " where no input flows");
            }
            if (step == Frame.ITEM) {
                call.receive(frame.cost());
            } else {
                call.inputClosed = true;
            }
            if (!call.spoiled) {
                call.spoiled = true;
                give(new Frame(Frame.CANCEL, 0, 0, 0, frame.call, 0, Frame.EMPTY, Frame.EMPTY), call);
            }
        } else {
            throw new ProtocolFault("unknown_call", kind + " for a call that is not in flight");
        }
    }

    private static Frame dataLoss(Frame frame, String detail, String started) {
        byte[] body = Report.fault("DATA_LOSS", detail, started);
        return new Frame(Frame.FAULT, 0, Frame.JSON, 0, frame.call, frame.amount, Frame.EMPTY, body);
    }

    private void borrow(Frame frame) throws ProtocolFault {
        long offset = frame.offset;
        long size = frame.size;
        if (offset < 0 || size < 1 || (offset & 63) != 0 || size > hello.frameBytesMax || offset > arenaBytes - size) {
            throw new ProtocolFault("segment", "a region that does not lie in the arena");
        }
        Map.Entry<Long, Long> below = borrowed.floorEntry(offset);
        Map.Entry<Long, Long> above = borrowed.ceilingEntry(offset);
        if (below != null && below.getKey() + below.getValue() > offset || above != null && above.getKey() < offset + size) {
            throw new ProtocolFault("segment", "a region that overlaps one that is lent");
        }
        borrowed.put(offset, size);
    }

    private void drop(Frame frame) {
        if (frame.isSegment()) {
            release(frame.offset);
        }
    }

    private void enter(int next) {
        phase = next;
    }

    private void agree() {
        segments = !client && hello.features.contains("segments") && features.contains("segments");
        decoder.accept(hello.frameBytesMax, segments);
    }

    private void forget(Live call) {
        calls.remove(call.call);
        if (call.made) {
            made--;
        } else {
            taken--;
        }
    }

    private void forgetAll() {
        calls.clear();
        made = 0;
        taken = 0;
    }

    // Sending. What may not be sent throws IllegalStateException, and then nothing is written.

    private int sending(int step) {
        if ((sends[phase] & 1 << step) == 0) {
            throw new IllegalStateException("step " + step + " cannot be sent while the connection is " + PHASES[phase]);
        }
        return step;
    }

    private void plain(int kind, int flags, int codec, long call, long amount, byte[] body) {
        if (body.length > Decoder.bodyMax(kind)) {
            throw new IllegalArgumentException(Frame.nameOf(kind) + " of " + body.length + " bytes is more than travels");
        }
        out.header(body.length, kind, flags, codec, 0, 0, call, amount, 0);
        out.put(body);
    }

    /** HELLO, from a host. */
    public void hello(byte[] body) throws ProtocolFault {
        sending(Frame.HELLO);
        hello = Hello.read(body);
        decoder.accept(hello.frameBytesMax, false);
        plain(Frame.HELLO, 0, Frame.JSON, 0, 0, body);
        enter(GREETING);
    }

    /** READY, from a guest or client, with the features it says. */
    public void ready(byte[] body, List<String> offered) {
        sending(Frame.READY);
        plain(Frame.READY, 0, Frame.JSON, 0, 0, body);
        features = offered;
        agree();
        enter(OPEN);
    }

    private void checkSize(long size) {
        if (size > hello.frameBytesMax) {
            throw new Oversized(size, hello.frameBytesMax);
        }
    }

    /** A body, wherever it lies: bytes of `data`, or a region of this side's arena if `data` is null. */
    private void body(
            int kind, int flags, int codec, int function, byte[] meta, long call, long amount, byte[] data, int from, long size) {
        if (data == null) {
            lent.put((long) from << 6, size);
            out.header(meta.length + 16, kind, flags | Frame.SEGMENT, codec, function, meta.length, call, amount, 0);
            out.put(meta);
            out.room(16);
            Sink.int64(out.data, out.size, (long) from << 6);
            Sink.int64(out.data, out.size + 8, size);
            out.size += 16;
            return;
        }
        out.header(meta.length + (int) size, kind, flags, codec, function, meta.length, call, amount, 0);
        out.put(meta);
        out.put(data, from, (int) size);
    }

    /**
     * CALL. `data` from `from`, `size` bytes; or null, and then the body lies in this side's arena at 64 times `from`
     * (as in every method here).
     */
    public Live call(
            long call, int function, int flags, int codec, byte[] meta, long amount, byte[] data, int from, long size) {
        sending(Frame.CALL);
        checkSize(meta.length + size);
        if (!isOwn(call) || calls.get(call) != null || made >= hello.callsMax || meta.length > Frame.META_BYTES_MAX) {
            throw new IllegalStateException("CALL with an id in use, of the peer, or past the " + hello.callsMax + " in flight");
        }
        body(Frame.CALL, flags, codec, function, meta, call, amount, data, from, size);
        Live live = new Live(call, true, flags, hello.creditBytes);
        calls.put(call, live);
        made++;
        return live;
    }

    /** ITEM: of the reply of a call that was taken, or of the input of one that was made. Look at `credit` first. */
    public void item(Live call, int codec, byte[] data, int from, long size) {
        sending(Frame.ITEM);
        checkSize(size);
        boolean may = call.made ? call.input && !call.inputClosed : call.streams;
        if (!may || call.credit() <= 0 || calls.get(call.call) != call) {
            throw new IllegalStateException("ITEM for a call that is over, has no stream, or no credit");
        }
        call.sent += Frame.HEADER_BYTES + size + (data == null ? 16 : 0);
        if (!call.made) {
            call.items = true;
            if (call.state == Live.WAITING) {
                call.state = Live.STREAMING;
            }
        }
        body(Frame.ITEM, 0, codec, 0, Frame.EMPTY, call.call, 0, data, from, size);
    }

    /** END of the input of a call that was made. */
    public void endInput(Live call) {
        sending(Frame.END);
        if (!call.made || !call.input || call.inputClosed || calls.get(call.call) != call) {
            throw new IllegalStateException("END of an input that does not flow");
        }
        call.inputClosed = true;
        out.header(0, Frame.END, 0, 0, 0, 0, call.call, 0, 0);
    }

    /** END of a call that was taken. */
    public void end(long id, int codec, byte[] data, int from, long size, long amount) {
        sending(Frame.END);
        checkSize(size);
        Live call = answered(id);
        if (call.items && size > 0) {
            throw new IllegalStateException("END of a stream with a body");
        }
        body(Frame.END, 0, codec, 0, Frame.EMPTY, id, Math.min(amount, 0xFFFFFFFFL), data, from, size);
        forget(call);
    }

    private Live answered(long id) {
        Live call = isPeers(id) ? calls.get(id) : null;
        if (call == null) {
            throw new IllegalStateException("an answer to a call that is not in flight");
        }
        return call;
    }

    /** FAULT; on call 0 this side's last frame. */
    public void fault(long id, byte[] body, long amount, boolean unstarted) {
        if (id == 0) {
            sending(FAILURE);
            plain(Frame.FAULT, 0, Frame.JSON, 0, 0, body);
            forgetAll();
            enter(LEFT);
            return;
        }
        sending(unstarted ? RETURN : Frame.FAULT);
        Live call = answered(id);
        if (unstarted && call.state != Live.REVOKING && call.state != Live.CANCELLING) {
            throw new IllegalStateException("a call given back that nobody wanted back");
        }
        plain(Frame.FAULT, unstarted ? Frame.UNSTARTED : 0, Frame.JSON, id, Math.min(amount, 0xFFFFFFFFL), body);
        forget(call);
    }

    /** CANCEL of a call that was made; false where it is over already. */
    public boolean cancel(long id, boolean unstarted) {
        Live call = isOwn(id) ? calls.get(id) : null;
        if (call == null || (sends[phase] & 1 << (unstarted ? REVOKE : Frame.CANCEL)) == 0) {
            return false;
        }
        if (unstarted && call.state != Live.WAITING) {
            throw new IllegalStateException("a revoke after a revoke, a cancel or an item");
        }
        call.state = unstarted ? Live.REVOKING : Live.CANCELLING;
        if (!unstarted) {
            call.inputClosed = true;
        }
        plain(Frame.CANCEL, unstarted ? Frame.UNSTARTED : 0, 0, id, 0, Frame.EMPTY);
        return true;
    }

    public void credit(Live call, long amount) {
        sending(Frame.CREDIT);
        if (amount <= 0 || amount > Live.CREDIT_BYTES_MAX - (call.allowed - call.received)) {
            throw new IllegalStateException("a CREDIT of nothing, or past 2^31");
        }
        call.allowed += amount;
        plain(Frame.CREDIT, 0, 0, call.call, amount, Frame.EMPTY);
    }

    /** Counts an item as used up, and grants more where it is time. */
    public void consumed(Live call, long cost) {
        long due = call.consume(cost);
        boolean flows = call.made || !call.inputClosed;
        if (due > 0 && flows && calls.get(call.call) == call && (sends[phase] & 1 << Frame.CREDIT) != 0) {
            credit(call, due);
        }
    }

    public void event(long call, byte[] body) {
        sending(Frame.EVENT);
        plain(Frame.EVENT, 0, Frame.JSON, call, 0, body);
    }

    public void ping(byte[] body) {
        sending(Frame.PING);
        if (pings.size() >= PINGS_MAX) {
            throw new IllegalStateException(PINGS_MAX + " PINGs are unanswered");
        }
        pings.add(body);
        plain(Frame.PING, 0, 0, 0, 0, body);
    }

    public void pong(byte[] body) {
        sending(Frame.PONG);
        plain(Frame.PONG, 0, 0, 0, 0, body);
    }

    public void drain() {
        sending(Frame.DRAIN);
        plain(Frame.DRAIN, 0, 0, 0, 0, Frame.EMPTY);
        enter(host || phase == DRAINING ? DRAINING : REFUSING);
    }

    public void bye() {
        sending(Frame.BYE);
        if (taken > 0) {
            throw new IllegalStateException("BYE with calls unanswered");
        }
        plain(Frame.BYE, 0, 0, 0, 0, Frame.EMPTY);
        forgetAll();
        enter(LEFT);
    }

    /** Gives a region of the peer's arena back. */
    public void release(long offset) {
        if (borrowed.remove(offset) == null || (sends[phase] & 1 << Frame.RELEASE) == 0) {
            return;
        }
        byte[] body = new byte[8];
        Sink.int64(body, 0, offset);
        plain(Frame.RELEASE, 0, 0, 0, 0, body);
    }

    /** A sum over meta and body, as the header holds it. */
    static int checksum(byte[] meta, byte[] body) {
        CRC32 sum = new CRC32();
        sum.update(meta);
        sum.update(body);
        return (int) sum.getValue();
    }
}
