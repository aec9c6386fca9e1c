package dev.dragoman.internal.io;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

/** TCP with TLS. The certificate must be that of the host that is named. */
public final class TlsSocket implements Transport {
    private static final int CONNECT_MS_MAX = 10_000;

    private final SSLSocket socket;
    private final InputStream in;
    private final OutputStream out;

    public TlsSocket(String host, int port, SSLContext context) throws IOException {
        Socket plain = new Socket();
        try {
            plain.connect(new InetSocketAddress(host, port), CONNECT_MS_MAX);
            plain.setTcpNoDelay(true);
            plain.setSoTimeout(CONNECT_MS_MAX);
            socket = (SSLSocket) context.getSocketFactory().createSocket(plain, host, port, true);
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            parameters.setApplicationProtocols(new String[] {"dragoman/1"});
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            plain.setSoTimeout(0);
            in = socket.getInputStream();
            out = socket.getOutputStream();
        } catch (IOException | RuntimeException error) {
            plain.close();
            throw error;
        }
    }

    @Override
    public int read(byte[] to) throws IOException {
        return in.read(to);
    }

    @Override
    public void write(byte[] from, int size) throws IOException {
        out.write(from, 0, size);
        out.flush();
    }

    @Override
    public void close() {
        try {
            socket.close();
        } catch (IOException error) {
            // Closed all the same.
        }
    }
}
