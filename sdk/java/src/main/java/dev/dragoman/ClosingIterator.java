package dev.dragoman;

import java.util.Iterator;
import java.util.stream.Stream;

/** The items of a stream, which is closed with it. */
final class ClosingIterator<T> implements Iterator<T>, AutoCloseable {
    private final Stream<T> stream;
    private final Iterator<T> items;

    ClosingIterator(Stream<T> stream) {
        this.stream = stream;
        items = stream.iterator();
    }

    @Override
    public boolean hasNext() {
        return items.hasNext();
    }

    @Override
    public T next() {
        return items.next();
    }

    @Override
    public void close() {
        stream.close();
    }
}
