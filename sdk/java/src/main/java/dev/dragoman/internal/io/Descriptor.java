package dev.dragoman.internal.io;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.reflect.Field;
import sun.misc.Unsafe;

/**
 * An inherited socket. Java has no public way to adopt a descriptor, so its number is set in a `FileDescriptor` by
 * `sun.misc.Unsafe`. That is worth it: connecting a socket by path loads the whole of NIO and a random generator, which
 * doubles the time that a worker takes to start. Reads and writes here are plain system calls that no interrupt touches.
 */
public final class Descriptor implements Transport {
    private final FileInputStream in;
    private final FileOutputStream out;

    private Descriptor(FileDescriptor descriptor) {
        in = new FileInputStream(descriptor);
        out = new FileOutputStream(descriptor);
    }

    /** Null where this Java does not allow it. */
    @SuppressWarnings({"deprecation", "removal"})
    public static Descriptor adopt(int number) {
        try {
            Field field = Unsafe.class.getDeclaredField("theUnsafe");
            field.setAccessible(true);
            // Called as it is, not by reflection: that would look at its annotations, which takes longer than all the rest.
            Unsafe unsafe = (Unsafe) field.get(null);
            FileDescriptor descriptor = new FileDescriptor();
            unsafe.putInt(descriptor, unsafe.objectFieldOffset(FileDescriptor.class.getDeclaredField("fd")), number);
            return descriptor.valid() ? new Descriptor(descriptor) : null;
        } catch (ReflectiveOperationException | RuntimeException | LinkageError error) {
            return null;
        }
    }

    @Override
    public int read(byte[] to) throws IOException {
        return in.read(to);
    }

    @Override
    public void write(byte[] from, int size) throws IOException {
        out.write(from, 0, size);
    }

    @Override
    public void close() {
        try {
            out.close();
        } catch (IOException error) {
            // Closed all the same.
        }
    }
}
