/** Does nothing: what starting a JVM costs. */
public final class Empty {
    public static void main(String[] arguments) {}
}
