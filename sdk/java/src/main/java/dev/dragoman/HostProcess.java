package dev.dragoman;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A host that runs as a child: it stops when its standard input ends, however this process dies. */
final class HostProcess {
    /** As long as one build may take where the project does not say otherwise: hosts are ready when theirs are done. */
    private static final long START_S_MAX = 600;
    /** Somewhat more than a host allows its workers to finish. */
    private static final long LEAVE_S_MAX = 40;
    /** Of what the host says so many lines are kept, for the case that it does not start. */
    private static final int LINES_KEPT = 40;

    private static final int CHARS_MAX = 500;

    private final Process process;
    private final Path folder;
    private final ArrayDeque<String> said = new ArrayDeque<>();
    private boolean ready;

    private HostProcess(Process process, Path folder) {
        this.process = process;
        this.folder = folder;
    }

    String address() {
        return "unix://" + folder.resolve("sock");
    }

    static HostProcess start(Path project, List<String> arguments) {
        String program = System.getenv("DRAGOMAN");
        List<String> command = new ArrayList<>();
        command.add(program == null || program.isEmpty() ? "dragoman" : program);
        Path folder = null;
        try {
            if (!Files.exists(project)) {
                throw Fault.notFound("there is no project " + project).with(Fault.Started.NO);
            }
            folder = Files.createTempDirectory("dragoman-"); // 0700
            HostProcess host = null;
            command.addAll(List.of("serve", project.toString(), "--native", "unix://" + folder.resolve("sock")));
            command.addAll(List.of("--no-http", "--exit-with-stdin", "--json"));
            command.addAll(arguments);
            ProcessBuilder builder = new ProcessBuilder(command);
            builder.redirectError(ProcessBuilder.Redirect.INHERIT);
            host = new HostProcess(builder.start(), folder);
            host.awaitReady();
            return host;
        } catch (IOException error) {
            remove(folder);
            throw new Fault(
                            Fault.Code.FAILED_PRECONDITION,
                            command.get(0) + " cannot be started: install it (pip install dragoman), or name it by the variable"
                                    + " DRAGOMAN: " + error.getMessage(),
                            error)
                    .with(Fault.Started.NO);
        }
    }

    private void listen() {
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                synchronized (said) {
                    ready |= line.startsWith("{\"url\"");
                    said.add(line.length() > CHARS_MAX ? line.substring(0, CHARS_MAX) : line);
                    if (said.size() > LINES_KEPT) {
                        said.poll();
                    }
                    said.notifyAll();
                }
            }
        } catch (IOException error) {
            // It has ended.
        }
        synchronized (said) {
            said.notifyAll();
        }
    }

    private void awaitReady() {
        Thread listener = new Thread(this::listen, "dragoman-host");
        listener.setDaemon(true);
        listener.start();
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_S_MAX);
        String why = "it was not ready in " + START_S_MAX + " s";
        synchronized (said) {
            while (!ready && System.nanoTime() < until) {
                if (!listener.isAlive() || !process.isAlive()) {
                    why = "it ended";
                    break;
                }
                try {
                    said.wait(50);
                } catch (InterruptedException error) {
                    Thread.currentThread().interrupt();
                    why = "interrupted";
                    break;
                }
            }
            if (ready) {
                return;
            }
            why += "; it said: " + String.join("\n", said);
        }
        close();
        throw Fault.unavailable("the host did not start: " + why).with(Fault.Started.NO);
    }

    void close() {
        try {
            process.getOutputStream().close();
            if (!process.waitFor(LEAVE_S_MAX, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (IOException error) {
            process.destroy();
        } catch (InterruptedException error) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
        remove(folder);
    }

    private static void remove(Path folder) {
        if (folder == null) {
            return;
        }
        try {
            Files.deleteIfExists(folder.resolve("sock"));
            Files.deleteIfExists(folder);
        } catch (IOException error) {
            // It lies in the folder for temporary files.
        }
    }
}
