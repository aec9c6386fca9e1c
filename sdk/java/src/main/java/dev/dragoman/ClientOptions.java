package dev.dragoman;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** How a client connects. */
public final class ClientOptions {
    /** The defaults. */
    public static final ClientOptions DEFAULT = new ClientOptions(null, null, Duration.ofSeconds(10));

    final String token;
    final SSLContext tls;
    final Duration patience;

    private ClientOptions(String token, SSLContext tls, Duration patience) {
        this.token = token;
        this.tls = tls;
        this.patience = patience;
    }

    /** The token that a host on TCP asks for. */
    public ClientOptions withToken(String given) {
        return new ClientOptions(given, tls, patience);
    }

    /** Whom to trust, in place of the authorities that Java trusts. */
    public ClientOptions withTls(SSLContext context) {
        return new ClientOptions(token, context, patience);
    }

    /** Trusts the certificates in a PEM file, and no others. */
    public ClientOptions withAuthority(Path pem) throws IOException {
        try (InputStream in = Files.newInputStream(pem)) {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            int count = 0;
            for (Certificate each : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                store.setCertificateEntry("authority-" + count++, each);
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return withTls(context);
        } catch (GeneralSecurityException error) {
            throw new IOException(pem + " holds no certificates that can be read: " + error.getMessage(), error);
        }
    }

    /** How long a call without a deadline waits for a host that is away; 10 seconds unless said otherwise. */
    public ClientOptions withPatience(Duration most) {
        return new ClientOptions(token, tls, most);
    }
}
