import dev.dragoman.DragomanClient;
import dev.dragoman.CallOptions;
import dev.dragoman.Fault;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;
import org.acme.shop.ShopClient;

/** Calls every function of shop.py through the generated client, and prints "done". */
final class Main {
    private static void expect(Object got, Object wanted) {
        if (!got.equals(wanted)) {
            throw new AssertionError("got " + got + ", not " + wanted);
        }
    }

    private static ShopClient.Everything everything(byte[] blob, Optional<byte[]> seal) {
        ShopClient.Circle circle = new ShopClient.Circle(2);
        ShopClient.Node leaf = new ShopClient.Node(2, Optional.of(List.of()), null);
        return new ShopClient.Everything(
                Long.MIN_VALUE, 255, Long.MAX_VALUE, 0.1, "größe \0 😀 e\u0301", true, blob,
                OffsetDateTime.parse("2026-01-31T23:59:59.123456Z"), LocalDate.of(2026, 1, 31), LocalTime.of(1, 0, 0, 1000),
                Duration.ofSeconds(-90), new BigDecimal("12.50"), new UUID(1, 2), ShopClient.Colour.DARK_RED, -1,
                new ShopClient.Square(1, Optional.of(circle), seal), List.of(), List.of(1L, "a"), List.of(1L, 2L), Map.of("", 1L),
                new ShopClient.Node(1, Optional.of(List.of(leaf)), null), null, "x", Arrays.asList(1L, null), "t",
                Optional.empty(), null, Optional.of(1L), Optional.empty());
    }

    public static void main(String[] arguments) throws Exception {
        try (DragomanClient client = DragomanClient.dial(arguments[0])) {
            ShopClient.ShopFunctions calls = new ShopClient(client).shop;
            byte[] blob = {0, (byte) 255};
            ShopClient.Everything got = calls.echo(everything(blob, Optional.of(blob)));
            expect(Arrays.equals(got.blob(), blob), true);
            expect(everything(got.blob(), ((ShopClient.Square) got.shape()).seal()), got);
            ShopClient.Odd odd = new ShopClient.Odd(1, 2, "x", 3, 4, 5, 6, 7, 8, Optional.of(9L), 10, 11);
            expect(calls.odd(odd), odd);
            ShopClient.Worse worse = new ShopClient.Worse(1, 2, 3, 4, 5, 6);
            expect(calls.worse(worse), worse);
            expect(calls.double_(new ShopClient.ShopDoubleInput(21)), 42L);
            expect(calls.doubleAsync(new ShopClient.ShopDoubleInput(1), CallOptions.NONE).get(), 2L);
            expect(calls.area(new ShopClient.ShopAreaInput(new ShopClient.Circle(2), Optional.of(0.5))), 6.0);
            expect(calls.find(new ShopClient.ShopFindInput(null, Optional.empty(), Optional.empty())), Optional.empty());
            expect(new String(calls.blob(new ShopClient.ShopBlobInput("abc".getBytes()))), "cba");
            calls.nothing();
            try {
                calls.fail(new ShopClient.ShopFailInput("no"));
                throw new AssertionError("it did not fail");
            } catch (Fault fault) {
                expect(fault.code(), Fault.Code.NOT_FOUND);
            }
            try (Stream<Long> items = calls.count(new ShopClient.ShopCountInput(3))) {
                expect(items.toList(), List.of(0L, 1L, 2L));
            }
            expect(calls.total(new ShopClient.ShopTotalInput(Stream.of(1L, 2L, 3L), Optional.of(1L))), 7L);
            try (Stream<Long> items = calls.doubled(new ShopClient.ShopDoubledInput(Stream.of(1L, 2L)))) {
                expect(items.toList(), List.of(2L, 4L));
            }
        }
        System.out.println("done");
    }
}
