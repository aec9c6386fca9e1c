package dev.dragoman.internal.value;

import java.util.Iterator;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;

/** An iterator as a publisher for one subscriber, which is served in its own thread as it asks. */
public final class Publishing<T> implements Flow.Publisher<T> {
    private final Iterator<T> items;
    private final AtomicBoolean taken = new AtomicBoolean();

    public Publishing(Iterator<T> items) {
        this.items = items;
    }

    @Override
    public void subscribe(Flow.Subscriber<? super T> subscriber) {
        if (!taken.compareAndSet(false, true)) {
            subscriber.onSubscribe(new Flow.Subscription() {
                @Override
                public void request(long count) {}

                @Override
                public void cancel() {}
            });
            subscriber.onError(new IllegalStateException("a stream can be read once"));
            return;
        }
        subscriber.onSubscribe(new Pull(subscriber));
    }

    private final class Pull implements Flow.Subscription {
        private final Flow.Subscriber<? super T> subscriber;
        private long wanted;
        private boolean serving;
        private boolean over;

        Pull(Flow.Subscriber<? super T> subscriber) {
            this.subscriber = subscriber;
        }

        @Override
        public synchronized void request(long count) {
            if (over) {
                return;
            }
            if (count <= 0) {
                over = true;
                subscriber.onError(new IllegalArgumentException("a request of " + count));
                return;
            }
            wanted = wanted + count < 0 ? Long.MAX_VALUE : wanted + count;
            if (serving) {
                return;
            }
            serving = true;
            try {
                while (!over && wanted > 0) {
                    if (!items.hasNext()) {
                        over = true;
                        subscriber.onComplete();
                        break;
                    }
                    wanted--;
                    subscriber.onNext(items.next());
                }
            } catch (RuntimeException error) {
                over = true;
                subscriber.onError(error);
            } finally {
                serving = false;
            }
        }

        @Override
        public synchronized void cancel() {
            over = true;
            close(items);
        }
    }

    /** Ends an iterator that can be ended early. */
    public static void close(Object items) {
        if (items instanceof AutoCloseable) {
            try {
                ((AutoCloseable) items).close();
            } catch (Exception error) {
                throw new IllegalStateException(error);
            }
        }
    }
}
