package dev.dragoman.internal.io;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/** A shared memory file, mapped; and for the one that this side writes into, which parts of it are free. */
public final class Arena {
    private static final int ALIGNMENT = 64;

    private final MappedByteBuffer memory;
    /** Offset to size, of what nobody uses. */
    private final TreeMap<Integer, Integer> free = new TreeMap<>();

    private final Map<Integer, Integer> lent = new HashMap<>();

    private Arena(MappedByteBuffer memory) {
        this.memory = memory;
        free.put(0, memory.capacity() / ALIGNMENT * ALIGNMENT);
    }

    private static String pathOf(int descriptor) {
        return "/proc/self/fd/" + descriptor;
    }

    /** The size of an inherited memory file; 0 where it cannot be mapped, or not at once. */
    public static long sizeOf(int descriptor) {
        long size = new java.io.File(pathOf(descriptor)).length();
        return size > Integer.MAX_VALUE ? 0 : size;
    }

    public static MappedByteBuffer map(int descriptor, boolean writable, long size) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(pathOf(descriptor), writable ? "rw" : "r")) {
            FileChannel.MapMode mode = writable ? FileChannel.MapMode.READ_WRITE : FileChannel.MapMode.READ_ONLY;
            MappedByteBuffer memory = file.getChannel().map(mode, 0, size);
            memory.order(ByteOrder.LITTLE_ENDIAN);
            return memory;
        }
    }

    public static Arena open(int descriptor, boolean writable) throws IOException {
        return new Arena(map(descriptor, writable, sizeOf(descriptor)));
    }

    /** A view of a part. */
    public ByteBuffer slice(long offset, long size) {
        return memory.slice((int) offset, (int) size);
    }

    public void read(long offset, byte[] to) {
        memory.get((int) offset, to, 0, to.length);
    }

    /** A part of at least `size` bytes for this side to write into; -1 where there is no room. */
    public int take(int size) {
        int need = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (need <= 0) {
            return -1;
        }
        for (Map.Entry<Integer, Integer> hole : free.entrySet()) {
            if (hole.getValue() >= need) {
                int offset = hole.getKey();
                free.remove(offset);
                if (hole.getValue() > need) {
                    free.put(offset + need, hole.getValue() - need);
                }
                lent.put(offset, need);
                return offset;
            }
        }
        return -1;
    }

    public void write(int offset, byte[] from, int at, int size) {
        memory.put(offset, from, at, size);
    }

    public void give(int offset) {
        Integer taken = lent.remove(offset);
        if (taken == null) {
            return;
        }
        int from = offset;
        int size = taken;
        Map.Entry<Integer, Integer> before = free.floorEntry(offset);
        if (before != null && before.getKey() + before.getValue() == offset) {
            from = before.getKey();
            size += before.getValue();
            free.remove(from);
        }
        Integer after = free.remove(offset + taken);
        free.put(from, after == null ? size : size + after);
    }
}
