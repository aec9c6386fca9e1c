package dev.dragoman;

import dev.dragoman.internal.io.Transport;
import dev.dragoman.internal.wire.Connection;
import dev.dragoman.internal.wire.Frame;
import dev.dragoman.internal.wire.Live;
import dev.dragoman.internal.wire.ProtocolFault;
import dev.dragoman.internal.wire.Report;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;

/** One connection of a client: a thread of its own reads it. */
final class Session extends Line {
    private final String token;
    private final List<Frame> frames = new ArrayList<>();
    private final Set<Outgoing> waiting = new HashSet<>();
    /** Done when the host has taken this client in; or how it refused. */
    final CompletableFuture<Void> greeted = new CompletableFuture<>();

    private volatile boolean over;
    /** Writes what the reading thread has to say: that one never waits for a host, which itself waits to be read. */
    private final Thread writer;

    Session(Transport transport, String token) {
        super(transport, new Connection(false, true, 0));
        this.token = token;
        writer = new Thread(this::write, "dragoman-client-writer");
        writer.setDaemon(true);
        writer.start();
        Thread reader = new Thread(this::read, "dragoman-client");
        reader.setDaemon(true);
        reader.start();
    }

    /** Whether new calls may be made on it. */
    boolean isOpen() {
        return !over && connection.phase() == Connection.OPEN;
    }

    /** A call is about to be made: it is told if the connection is lost. */
    void expect(Outgoing call) {
        synchronized (this) {
            waiting.add(call);
            if (over) {
                call.lose("it was closed");
            }
        }
    }

    synchronized void forget(Outgoing call) {
        waiting.remove(call);
    }

    private void read() {
        String why = "the host closed it";
        try {
            while (!over) {
                int count = transport.read(input);
                if (count < 0) {
                    break;
                }
                boolean left;
                boolean says;
                synchronized (this) {
                    connection.receive(input, 0, count, frames);
                    for (Frame frame : frames) {
                        take(frame);
                    }
                    frames.clear();
                    left = connection.phase() == Connection.CLOSED || leaveIfDone();
                    says = connection.out.size > 0;
                }
                if (left) {
                    flush();
                    break;
                }
                if (says) {
                    LockSupport.unpark(writer);
                }
            }
        } catch (IOException error) {
            why = String.valueOf(error.getMessage());
        } catch (ProtocolFault fault) {
            why = "it broke the protocol (" + fault.reason + "): " + fault.getMessage();
            refuse(fault);
        } catch (RuntimeException error) {
            why = error.toString();
        }
        onLost(why);
    }

    private void write() {
        while (!over) {
            flush();
            LockSupport.park(this);
        }
    }

    private void refuse(ProtocolFault fault) {
        synchronized (this) {
            for (Frame frame : frames) {
                take(frame);
            }
            frames.clear();
            int phase = connection.phase();
            if (phase == Connection.GREETING || connection.isOpen()) {
                boolean version = phase == Connection.GREETING && connection.hello() != null;
                String code = version ? "FAILED_PRECONDITION" : "INTERNAL";
                connection.fault(0, Report.fault(code, fault.reason + ": " + fault.getMessage(), "no"), 0, false);
            }
        }
        flush();
    }

    private void take(Frame frame) {
        switch (frame.kind) {
            case Frame.HELLO:
                if (connection.phase() != Connection.GREETING) {
                    break; // it was turned away in the same breath
                }
                connection.ready(Guest.ready(List.of(), token, List.of()), List.of());
                // Its answer says that the host has read READY and lets this client in.
                connection.ping(new byte[] {'i', 'n'});
                break;
            case Frame.PONG:
                greeted.complete(null);
                break;
            case Frame.ITEM:
            case Frame.END:
            case Frame.CREDIT:
                takeReply(frame);
                break;
            case Frame.FAULT:
                if (frame.call == 0) {
                    fail(frame);
                } else {
                    takeReply(frame);
                }
                break;
            case Frame.PING:
                connection.pong(frame.body);
                break;
            default:
                break;
        }
    }

    private void takeReply(Frame frame) {
        Live live = frame.live;
        Outgoing call = (Outgoing) live.owner;
        if (frame.kind == Frame.END || frame.kind == Frame.FAULT) {
            waiting.remove(call);
        }
        call.take(frame);
    }

    private void fail(Frame frame) {
        try {
            greeted.completeExceptionally(Outgoing.faultOf(Report.readFault(frame.body)));
        } catch (ProtocolFault error) {
            greeted.completeExceptionally(Fault.unavailable("the host refused this client"));
        }
    }

    private boolean leaveIfDone() {
        if (connection.phase() != Connection.DRAINING || connection.made() > 0) {
            return false;
        }
        connection.bye();
        return true;
    }

    @Override
    void onLost(String why) {
        List<Outgoing> left;
        synchronized (this) {
            over = true;
            left = new ArrayList<>(waiting);
            waiting.clear();
            for (Outgoing call : left) {
                call.lose(why);
            }
        }
        LockSupport.unpark(writer);
        greeted.completeExceptionally(Fault.unavailable("the host did not greet: " + why).with(Fault.Started.NO));
        transport.close();
    }

    @Override
    void beforeWaiting() {
        flush();
    }

    /** Says goodbye; what is unanswered is given up. */
    void close() {
        synchronized (this) {
            if (connection.isOpen()) {
                connection.bye();
            }
        }
        flush();
        onLost("this client closed it");
    }
}
