package dev.dragoman;

import java.lang.reflect.Type;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.stream.Stream;

/**
 * Whoever can call functions: a client, or a running function by its context. The input is a record, a map, or null for
 * none; a record with a `Stream`, `Iterator` or `Flow.Publisher` among its components sends those items one by one.
 * Every method fails with {@link Fault}.
 */
public interface Caller {
    /** Calls and waits. An interrupt gives the call up: {@code CANCELLED}, with the thread's status set again. */
    <O> O call(String function, Object input, Type output, CallOptions options);

    /** Calls; cancelling the future cancels the call. */
    <O> CompletableFuture<O> callAsync(String function, Object input, Type output, CallOptions options);

    /** Calls for a stream, whose items are read as they come. Close it to cancel the call. */
    <T> Stream<T> stream(String function, Object input, Type item, CallOptions options);

    /** Calls and waits. */
    default <O> O call(String function, Object input, Class<O> output, CallOptions options) {
        return call(function, input, (Type) output, options);
    }

    /** Calls and waits. */
    default <O> O call(String function, Object input, Class<O> output) {
        return call(function, input, (Type) output, CallOptions.NONE);
    }

    /** Calls and waits. */
    default <O> O call(String function, Object input, TypeOf<O> output) {
        return call(function, input, output.type(), CallOptions.NONE);
    }

    /** Calls; cancelling the future cancels the call. */
    default <O> CompletableFuture<O> callAsync(String function, Object input, Class<O> output) {
        return callAsync(function, input, (Type) output, CallOptions.NONE);
    }

    /** Calls for a stream. Close it to cancel the call. */
    default <T> Stream<T> stream(String function, Object input, Class<T> item) {
        return stream(function, input, (Type) item, CallOptions.NONE);
    }

    /** Calls for a stream when somebody subscribes, and reads as fast as that one asks. */
    default <T> Flow.Publisher<T> publish(String function, Object input, Class<T> item, CallOptions options) {
        return subscriber -> {
            Stream<T> items = stream(function, input, (Type) item, options);
            new dev.dragoman.internal.value.Publishing<>(new ClosingIterator<>(items)).subscribe(subscriber);
        };
    }
}
