package dev.dragoman.internal.wire;

/** Live calls by id: open addressing, since a boxed key for each call would be most of what the wire allocates. */
public final class Calls {
    private long[] keys = new long[64];
    private Live[] values = new Live[64];
    private int size;

    public int size() {
        return size;
    }

    private static int slot(long key, int mask) {
        long mixed = key * 0x9E3779B97F4A7C15L;
        return (int) (mixed >>> 40) & mask;
    }

    public Live get(long key) {
        int mask = keys.length - 1;
        for (int at = slot(key, mask); ; at = at + 1 & mask) {
            Live value = values[at];
            if (value == null || keys[at] == key) {
                return value;
            }
        }
    }

    /** The key must not be there. */
    public void put(long key, Live value) {
        if (size * 2 >= keys.length) {
            grow();
        }
        int mask = keys.length - 1;
        int at = slot(key, mask);
        while (values[at] != null) {
            at = at + 1 & mask;
        }
        keys[at] = key;
        values[at] = value;
        size++;
    }

    public Live remove(long key) {
        int mask = keys.length - 1;
        int at = slot(key, mask);
        while (values[at] != null && keys[at] != key) {
            at = at + 1 & mask;
        }
        Live removed = values[at];
        if (removed == null) {
            return null;
        }
        size--;
        int hole = at;
        for (int next = hole + 1 & mask; values[next] != null; next = next + 1 & mask) {
            int home = slot(keys[next], mask);
            // A later entry may fill the hole unless its home lies after the hole.
            if ((next - home & mask) >= (next - hole & mask)) {
                keys[hole] = keys[next];
                values[hole] = values[next];
                hole = next;
            }
        }
        values[hole] = null;
        return removed;
    }

    private void grow() {
        long[] oldKeys = keys;
        Live[] old = values;
        keys = new long[oldKeys.length * 2];
        values = new Live[old.length * 2];
        size = 0;
        for (int at = 0; at < old.length; at++) {
            if (old[at] != null) {
                put(oldKeys[at], old[at]);
            }
        }
    }

    /** All live calls, in no order. */
    public Live[] all() {
        Live[] found = new Live[size];
        int count = 0;
        for (Live value : values) {
            if (value != null) {
                found[count++] = value;
            }
        }
        return found;
    }

    public void clear() {
        keys = new long[64];
        values = new Live[64];
        size = 0;
    }
}
