package dev.dragoman;

import dev.dragoman.internal.wire.Connection;
import dev.dragoman.internal.wire.Frame;
import java.util.ArrayList;
import java.util.List;

/**
 * What a build runs once, without a host, so that the JVM can record which classes a start loads
 * ({@code -XX:SharedArchiveFile}): the contracts are made and a greeting is spoken to nobody. No function runs.
 */
final class Rehearsal {
    private Rehearsal() {}

    static void run(List<Registration> functions) {
        byte[] ready = Guest.ready(functions, "token", List.of("revoke", "progress"));
        Connection host = new Connection(true, false, 0);
        Connection guest = new Connection(false, false, 0);
        try {
            host.hello("{\"host\": \"rehearsal\", \"versions\": [1, 1]}".getBytes(java.nio.charset.StandardCharsets.UTF_8));
            byte[] greeting = host.out.take();
            guest.receive(greeting, 0, greeting.length, new ArrayList<>());
            guest.ready(ready, List.of("revoke", "progress"));
            byte[] said = guest.out.take();
            host.receive(said, 0, said.length, new ArrayList<>());
            new Context(null, new Incoming(new Frame(Frame.CALL, 0, 17, 0, 1, 0, Frame.EMPTY, Frame.EMPTY), null, null, 0));
        } catch (dev.dragoman.internal.wire.ProtocolFault fault) {
            throw new IllegalStateException(fault);
        }
    }
}
