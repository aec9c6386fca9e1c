import py4j.GatewayServer;

/** Java's end of what Python programs use to call Java: methods for Py4J and for JPype. */
public final class Mirror {
    public String mirror(String text) {
        return text;
    }

    public static void main(String[] arguments) {
        new GatewayServer(new Mirror(), Integer.parseInt(arguments[0])).start();
    }
}
