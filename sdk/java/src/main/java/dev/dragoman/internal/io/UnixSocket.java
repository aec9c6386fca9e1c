package dev.dragoman.internal.io;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/**
 * A UNIX socket by its path. The channel does not block: an interrupt in a blocking read or write of a channel closes
 * it, and the calls of everybody else on this connection would be lost with it.
 */
public final class UnixSocket implements Transport {
    private final SocketChannel channel;
    private final Selector reading;
    private final Selector writing;
    private final ByteBuffer in = ByteBuffer.allocateDirect(64 * 1024);
    private final ByteBuffer out = ByteBuffer.allocateDirect(64 * 1024);

    public UnixSocket(Path path) throws IOException {
        channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        Selector first = null;
        try {
            channel.connect(UnixDomainSocketAddress.of(path));
            channel.configureBlocking(false);
            first = Selector.open();
            reading = first;
            writing = Selector.open();
            channel.register(reading, SelectionKey.OP_READ);
            channel.register(writing, SelectionKey.OP_WRITE);
        } catch (IOException | RuntimeException error) {
            channel.close();
            if (first != null) {
                first.close();
            }
            throw error;
        }
    }

    /** Waits; an interrupt that ends the wait is kept for later. */
    private static boolean wait(Selector selector, boolean interrupted) throws IOException {
        selector.select();
        selector.selectedKeys().clear();
        return Thread.interrupted() || interrupted;
    }

    @Override
    public int read(byte[] to) throws IOException {
        boolean interrupted = Thread.interrupted();
        try {
            in.clear().limit(Math.min(in.capacity(), to.length));
            int count = channel.read(in);
            while (count == 0) {
                interrupted = wait(reading, interrupted);
                count = channel.read(in);
            }
            if (count > 0) {
                in.flip();
                in.get(to, 0, count);
            }
            return count;
        } catch (ClosedSelectorException error) {
            return -1;
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Override
    public void write(byte[] from, int size) throws IOException {
        boolean interrupted = Thread.interrupted();
        try {
            for (int at = 0; at < size; ) {
                int piece = Math.min(out.capacity(), size - at);
                out.clear();
                out.put(from, at, piece).flip();
                while (out.hasRemaining()) {
                    if (channel.write(out) == 0) {
                        interrupted = wait(writing, interrupted);
                    }
                }
                at += piece;
            }
        } catch (ClosedSelectorException error) {
            throw new IOException("the connection is closed", error);
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
            reading.close();
            writing.close();
        } catch (IOException error) {
            // Closed all the same.
        }
    }
}
