import dev.dragoman.Context;
import dev.dragoman.Dragoman;
import dev.dragoman.Fault;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.List;

/**
 * What an amount of money of one time is worth at another. To the cent, and rounded as an accountant rounds, which is
 * why it is in Java: {@code BigDecimal} has both.
 */
public final class Prices {
    /** An amount, and the price levels of its time and of the time that is asked for. */
    record Amount(BigDecimal amount, BigDecimal then, BigDecimal now) {}

    /** What it is worth, to the cent, and by how much prices have grown, in percent. */
    record Worth(BigDecimal worth, BigDecimal growth) {}

    record Ledger(List<BigDecimal> amounts, BigDecimal then, BigDecimal now) {}

    static Worth adjusted(Amount asked, Context context) {
        BigDecimal factor = factor(asked.then(), asked.now());
        BigDecimal growth = factor.subtract(BigDecimal.ONE).movePointRight(2);
        return new Worth(cents(asked.amount().multiply(factor)), growth.setScale(1, RoundingMode.HALF_EVEN));
    }

    /** The sum is of what was rounded, so that it is the sum of what stands above it. */
    static BigDecimal total(Ledger asked, Context context) {
        BigDecimal factor = factor(asked.then(), asked.now());
        return asked.amounts().stream().map(each -> cents(each.multiply(factor))).reduce(BigDecimal.ZERO, BigDecimal::add);
    }

    private static BigDecimal factor(BigDecimal then, BigDecimal now) {
        if (then.signum() <= 0 || now.signum() <= 0) {
            throw Fault.invalidArgument("a price level is positive").with(then.signum() <= 0 ? "/then" : "/now", "is not positive");
        }
        return now.divide(then, MathContext.DECIMAL128);
    }

    private static BigDecimal cents(BigDecimal amount) {
        return amount.setScale(2, RoundingMode.HALF_EVEN);
    }

    public static void main(String[] arguments) {
        Dragoman.function("adjusted", Amount.class, Worth.class, Prices::adjusted)
                .idempotent()
                .description("What an amount of one time is worth at another, by the price levels of both.");
        Dragoman.function("total", Ledger.class, BigDecimal.class, Prices::total)
                .idempotent()
                .description("The same for a list of amounts: the sum of what each is worth.");
        Dragoman.run();
    }
}
