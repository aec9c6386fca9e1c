package dev.dragoman;

import dev.dragoman.internal.io.Arena;
import dev.dragoman.internal.io.Transport;
import dev.dragoman.internal.value.JsonReader;
import dev.dragoman.internal.value.Mismatch;
import dev.dragoman.internal.value.MsgPackReader;
import dev.dragoman.internal.value.Reader;
import dev.dragoman.internal.wire.Connection;
import dev.dragoman.internal.wire.Frame;
import dev.dragoman.internal.wire.Live;
import dev.dragoman.internal.wire.Sink;
import java.io.IOException;
import java.util.concurrent.locks.LockSupport;

/** One connection with its I/O: what a guest and a client share. Its own monitor guards the connection's state. */
abstract class Line {
    /** Whoever sends where so much waits to be written, waits too: the peer reads slower than this side writes. */
    private static final int WAITING_BYTES_MAX = 4 << 20;

    /** How often whoever waits for another thread's write looks whether it is done. */
    private static final long LOOK_NANOS = 500_000;

    /** A buffer that grew past this for one large body is let go again. */
    private static final int KEPT_BYTES_MAX = 1 << 20;

    final Transport transport;
    final Connection connection;
    final byte[] input = new byte[64 * 1024];
    /** Arena that the peer writes into, and the one that this side does; null without. */
    Arena inArena;

    Arena outArena;
    private long lastCall = Frame.GUEST_BIT;
    private boolean writing;
    private byte[] spare = new byte[64 * 1024];
    private boolean lost;

    Line(Transport transport, Connection connection) {
        this.transport = transport;
        this.connection = connection;
    }

    /** The connection broke: nothing more can be sent or will come. */
    abstract void onLost(String why);

    /** This thread is about to wait for what another one must read. */
    abstract void beforeWaiting();

    /** The next id for a call of this side. Under the lock. */
    final long nextCall() {
        return lastCall++ == -1 ? (lastCall = Frame.GUEST_BIT + 1) - 1 : lastCall - 1;
    }

    /** Writes what waits. Whoever comes while another thread writes leaves it to that one. */
    final void flush() {
        Sink out = connection.out;
        byte[] data;
        int size;
        synchronized (this) {
            if (writing || out.size == 0 || lost) {
                return;
            }
            writing = true;
            data = out.data;
            size = out.size;
            out.data = spare;
            out.size = 0;
        }
        while (true) {
            String broken = null;
            try {
                transport.write(data, size);
            } catch (IOException error) {
                broken = String.valueOf(error.getMessage());
            }
            synchronized (this) {
                spare = data.length > KEPT_BYTES_MAX ? new byte[64 * 1024] : data;
                if (broken != null) {
                    lost = true;
                } else if (out.size > 0) {
                    data = out.data;
                    size = out.size;
                    out.data = spare;
                    out.size = 0;
                    continue;
                }
                writing = false;
            }
            if (broken != null) {
                onLost(broken);
            }
            return;
        }
    }

    /** Returns once everything is written, by whichever thread. */
    final void flushToTheEnd() {
        while (true) {
            flush();
            synchronized (this) {
                if (lost || !writing && connection.out.size == 0) {
                    return;
                }
            }
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }

    /** Flushes, and waits while too much waits to be written by another thread. */
    final void flushFully() {
        flush();
        while (connection.out.size > WAITING_BYTES_MAX && !lost) {
            beforeWaiting();
            LockSupport.parkNanos(LOOK_NANOS);
            if (Thread.interrupted()) {
                Thread.currentThread().interrupt();
                return;
            }
            flush();
        }
    }

    /** The bytes of a frame's body; a region is copied out. */
    final byte[] copyOf(Frame frame) {
        if (!frame.isSegment()) {
            return frame.body;
        }
        byte[] body = new byte[(int) frame.size];
        inArena.read(frame.offset, body);
        return body;
    }

    /** The bytes of a frame's body; a region is copied out and given back. Not under the lock. */
    final byte[] bodyOf(Frame frame) {
        if (!frame.isSegment()) {
            return frame.body;
        }
        byte[] body = copyOf(frame);
        synchronized (this) {
            connection.release(frame.offset);
        }
        flush();
        return body;
    }

    /** A region of this side's arena with these bytes in it; -1 where they go in the frame. Under the lock. */
    int region(byte[] data, int size) {
        if (outArena == null || !connection.segments() || size < connection.hello().segmentFromBytes) {
            return -1;
        }
        return outArena.take(size);
    }

    /** Sends an item of a stream: of the reply of a call that was taken, or of the input of one that was made. */
    final void item(Live live, int codec, byte[] data, int size) {
        int region = region(data, size);
        if (region < 0) {
            connection.item(live, codec, data, 0, size);
        } else {
            outArena.write(region, data, 0, size);
            connection.item(live, codec, null, region >> 6, size);
        }
    }

    static Reader reader(int codec, byte[] body) throws Mismatch {
        switch (codec) {
            case Frame.JSON:
                return new JsonReader(body, 0, body.length);
            case Frame.MSGPACK:
                return new MsgPackReader(body, 0, body.length);
            default:
                throw new Mismatch("raw bytes where a value was expected");
        }
    }
}
