package dev.dragoman;

import dev.dragoman.internal.value.Publishing;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.Flow;
import java.util.stream.BaseStream;

/** Whatever gives items one by one, as an iterator that can be closed. */
final class Items {
    private Items() {}

    static Iterator<?> of(Object source) {
        if (source instanceof BaseStream) {
            return new Pulled((BaseStream<?, ?>) source);
        }
        if (source instanceof Flow.Publisher) {
            return new Subscribed((Flow.Publisher<?>) source);
        }
        if (source instanceof Iterator) {
            return (Iterator<?>) source;
        }
        if (source instanceof Iterable) {
            return ((Iterable<?>) source).iterator();
        }
        throw new IllegalArgumentException(
                (source == null ? "null" : "a " + source.getClass().getName()) + " gives no items");
    }

    static void close(Object items) {
        Publishing.close(items);
    }

    private static final class Pulled implements Iterator<Object>, AutoCloseable {
        private final Iterator<?> items;
        private final BaseStream<?, ?> source;

        Pulled(BaseStream<?, ?> source) {
            items = source.iterator();
            this.source = source;
        }

        @Override
        public boolean hasNext() {
            return items.hasNext();
        }

        @Override
        public Object next() {
            return items.next();
        }

        @Override
        public void close() {
            source.close();
        }
    }

    /** A publisher's items. So many are asked for ahead: enough to keep a thread busy, few enough to hold. */
    private static final class Subscribed implements Iterator<Object>, AutoCloseable, Flow.Subscriber<Object> {
        private static final int AHEAD = 64;

        private final ArrayDeque<Object> items = new ArrayDeque<>();
        private Flow.Subscription subscription;
        private Throwable failure;
        private boolean over;
        private int used;

        @SuppressWarnings("unchecked")
        Subscribed(Flow.Publisher<?> publisher) {
            ((Flow.Publisher<Object>) publisher).subscribe(this);
        }

        @Override
        public void onSubscribe(Flow.Subscription given) {
            synchronized (this) {
                subscription = given;
            }
            given.request(AHEAD);
        }

        @Override
        public void onNext(Object item) {
            Flow.Subscription from = null;
            synchronized (this) {
                if (item == null || items.size() >= AHEAD) {
                    String why = item == null ? "an item that is null" : "more items than were asked for";
                    failure = over ? failure : new IllegalStateException("the publisher gives " + why);
                    over = true;
                    from = subscription;
                } else if (!over) {
                    items.add(item);
                }
                notifyAll();
            }
            if (from != null) {
                from.cancel();
            }
        }

        @Override
        public synchronized void onError(Throwable error) {
            failure = over ? failure : error;
            over = true;
            notifyAll();
        }

        @Override
        public synchronized void onComplete() {
            over = true;
            notifyAll();
        }

        @Override
        public boolean hasNext() {
            long more = 0;
            Flow.Subscription from = null;
            try {
                synchronized (this) {
                    while (items.isEmpty() && !over) {
                        if (used > 0 && subscription != null) {
                            more = used;
                            used = 0;
                            from = subscription;
                            break;
                        }
                        wait();
                    }
                }
                if (from != null) {
                    from.request(more);
                    synchronized (this) {
                        while (items.isEmpty() && !over) {
                            wait();
                        }
                    }
                }
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
                throw new Fault(Fault.Code.CANCELLED, "interrupted while waiting for the next item", error);
            }
            synchronized (this) {
                if (!items.isEmpty()) {
                    return true;
                }
                if (failure instanceof RuntimeException) {
                    throw (RuntimeException) failure;
                }
                if (failure instanceof Error) {
                    throw (Error) failure;
                }
                if (failure != null) {
                    throw new Failed(failure);
                }
                return false;
            }
        }

        @Override
        public Object next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            long more = 0;
            Object item;
            synchronized (this) {
                item = items.poll();
                if (++used >= AHEAD / 2) {
                    more = used;
                    used = 0;
                }
            }
            if (more > 0) {
                subscription.request(more);
            }
            return item;
        }

        @Override
        public void close() {
            Flow.Subscription from;
            synchronized (this) {
                from = over ? null : subscription;
                over = true;
            }
            if (from != null) {
                from.cancel();
            }
        }
    }

    /** A checked exception on its way through an iterator. */
    static final class Failed extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Failed(Throwable cause) {
            super(cause);
        }
    }
}
