import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;

/**
 * Makes a worker of Java sources or jars: the guest library and the program as jars, and an archive of the classes that a
 * start loads (class data sharing), which makes that start three times as quick. Run as it is: {@code java Build.java}.
 *
 * <p>{@code Build LIBRARY KEEP LINK OUT (sources|jars|library) PATH...}: LIBRARY is the folder of the guest library's sources,
 * KEEP one that stays between builds, LINK a name under which OUT is known now and later, OUT where everything goes.
 * {@code library} only puts the library into the Maven repository at PATH.
 */
public final class Build {
    /** A program that has not said what it offers by then is built all the same, without an archive of its classes. */
    private static final long REHEARSAL_S_MAX = 20;

    private static final long DUMP_S_MAX = 60;

    private Build() {}

    private static final class Failed extends Exception {
        private static final long serialVersionUID = 1L;

        Failed(String message) {
            super(message);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Path library = Path.of(arguments[0]);
        Path keep = Path.of(arguments[1]);
        Path link = Path.of(arguments[2]);
        Path out = Path.of(arguments[3]);
        List<Path> paths = Stream.of(arguments).skip(5).map(Path::of).collect(Collectors.toList());
        try {
            if (arguments[4].equals("library")) {
                Path place = paths.get(0).resolve("dev/dragoman/dragoman/0.1.0/dragoman-0.1.0.jar");
                Path fresh = Files.createTempFile(place.getParent(), "dragoman", ".jar");
                Files.copy(libraryJar(library, keep, out), fresh, StandardCopyOption.REPLACE_EXISTING);
                Files.move(fresh, place, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                return;
            }
            Files.copy(libraryJar(library, keep, out), out.resolve("dragoman.jar"));
            List<String> names = new ArrayList<>(List.of("dragoman.jar"));
            String main = arguments[4].equals("sources") ? compile(paths, out, names) : collect(paths, out, names);
            Files.writeString(out.resolve("launch.txt"), link + "\n" + main + "\n" + String.join("\n", names) + "\n");
            archive(link, main, names);
        } catch (Failed failed) {
            System.err.println(failed.getMessage());
            System.exit(1);
        }
    }

    private static List<Path> under(Path folder, String suffix) throws IOException {
        try (Stream<Path> found = Files.walk(folder)) {
            return found.filter(path -> path.toString().endsWith(suffix) && Files.isRegularFile(path))
                    .sorted()
                    .collect(Collectors.toList());
        }
    }

    /** The guest library, compiled once for all builds of the same JDK. */
    private static Path libraryJar(Path library, Path keep, Path out) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        digest.update(Runtime.version().toString().getBytes(StandardCharsets.UTF_8));
        List<Path> sources = under(library, ".java");
        for (Path source : sources) {
            digest.update(source.toString().getBytes(StandardCharsets.UTF_8));
            digest.update(Files.readAllBytes(source));
        }
        byte[] sum = digest.digest();
        StringBuilder name = new StringBuilder("dragoman-");
        for (int at = 0; at < 12; at++) {
            name.append(String.format("%02x", sum[at]));
        }
        Path jar = keep.resolve(name + ".jar");
        if (Files.isRegularFile(jar)) {
            return jar;
        }
        Path classes = out.resolve("library");
        javac(sources, "", classes);
        Path made = Files.createTempFile(out, "library", ".jar");
        jar(classes, made);
        remove(classes);
        Files.createDirectories(keep);
        Files.move(made, jar, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        return jar;
    }

    private static void javac(List<Path> sources, String classPath, Path classes) throws Exception {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        if (compiler == null) {
            throw new Failed("this Java has no compiler: install a JDK (apt-get install openjdk-17-jdk-headless)");
        }
        Files.createDirectories(classes);
        // Concatenation by `invokedynamic` takes 10 ms of a start.
        List<String> arguments = new ArrayList<>(
                List.of("-encoding", "UTF-8", "-g", "-proc:none", "-XDstringConcat=inline",
                        "-XDignore.symbol.file", "-d", classes.toString()));
        if (!classPath.isEmpty()) {
            arguments.addAll(List.of("-classpath", classPath));
        }
        for (Path source : sources) {
            arguments.add(source.toString());
        }
        if (compiler.run(null, null, null, arguments.toArray(new String[0])) != 0) {
            System.exit(1);
        }
    }

    private static void jar(Path classes, Path jar) throws IOException {
        try (JarOutputStream to = new JarOutputStream(Files.newOutputStream(jar))) {
            to.setLevel(1);
            try (Stream<Path> found = Files.walk(classes)) {
                for (Path file : found.filter(Files::isRegularFile).sorted().collect(Collectors.toList())) {
                    JarEntry entry = new JarEntry(classes.relativize(file).toString().replace(File.separatorChar, '/'));
                    entry.setTime(0);
                    to.putNextEntry(entry);
                    Files.copy(file, to);
                    to.closeEntry();
                }
            }
        }
    }

    private static void remove(Path folder) throws IOException {
        try (Stream<Path> found = Files.walk(folder)) {
            for (Path each : found.sorted(java.util.Comparator.reverseOrder()).collect(Collectors.toList())) {
                Files.delete(each);
            }
        }
    }

    /** Compiles one file, or all of a folder with the jars in its `lib`. */
    private static String compile(List<Path> paths, Path out, List<String> names) throws Exception {
        Path path = paths.get(0);
        boolean folder = Files.isDirectory(path);
        List<Path> sources = folder ? under(path, ".java") : List.of(path);
        if (sources.isEmpty()) {
            throw new Failed(path + " holds no .java file");
        }
        StringBuilder classPath = new StringBuilder(out.resolve("dragoman.jar").toString());
        if (folder && Files.isDirectory(path.resolve("lib"))) {
            for (Path jar : under(path.resolve("lib"), ".jar")) {
                String name = names.size() + "-" + jar.getFileName();
                Files.copy(jar, out.resolve(name));
                names.add(name);
                classPath.append(File.pathSeparator).append(jar);
            }
        }
        Path classes = out.resolve("classes");
        javac(sources, classPath.toString(), classes);
        copyResources(path, classes, folder);
        jar(classes, out.resolve("app.jar"));
        remove(classes);
        names.add(1, "app.jar");
        String stem = folder ? "" : path.getFileName().toString().replaceFirst("\\.java$", "");
        return mainOf(out, names, stem);
    }

    /** Whatever lies beside the sources is found by `getResource`. */
    private static void copyResources(Path path, Path classes, boolean folder) throws IOException {
        if (!folder) {
            return;
        }
        try (Stream<Path> found = Files.walk(path)) {
            for (Path file : found.filter(Files::isRegularFile).collect(Collectors.toList())) {
                Path inside = path.relativize(file);
                String name = inside.toString();
                if (!name.endsWith(".java") && !name.endsWith(".class") && !inside.startsWith("lib") && !name.startsWith(".")) {
                    Files.createDirectories(classes.resolve(inside).getParent());
                    Files.copy(file, classes.resolve(inside), StandardCopyOption.REPLACE_EXISTING);
                }
            }
        }
    }

    /** Takes jars as they are, and those of folders; the first is the program's. */
    private static String collect(List<Path> paths, Path out, List<String> names) throws Exception {
        List<Path> jars = new ArrayList<>();
        for (Path path : paths) {
            if (Files.isDirectory(path)) {
                jars.addAll(under(path, ".jar"));
            } else if (Files.exists(path)) {
                jars.add(path);
            }
        }
        for (Path jar : jars) {
            String name = jar.getFileName().toString();
            // The library is the one that comes with the host.
            if (name.matches("dragoman-\\d.*\\.jar|.*-(sources|javadoc)\\.jar|original-.*\\.jar")) {
                continue;
            }
            String unique = names.size() == 1 ? "app.jar" : names.size() + "-" + name;
            Files.copy(jar, out.resolve(unique));
            names.add(unique);
        }
        if (Files.isDirectory(out.resolve("project"))) {
            remove(out.resolve("project"));
        }
        if (names.size() == 1) {
            throw new Failed("the build made no jar in " + paths.get(0));
        }
        try (JarFile app = new JarFile(out.resolve("app.jar").toFile())) {
            String main = app.getManifest() == null
                    ? null
                    : app.getManifest().getMainAttributes().getValue(Attributes.Name.MAIN_CLASS);
            if (main != null) {
                return main.trim();
            }
        }
        return mainOf(out, names, "");
    }

    /** The class with a `main`: the one that is named like the file, or the only one. */
    private static String mainOf(Path out, List<String> names, String stem) throws Exception {
        List<URL> urls = new ArrayList<>();
        for (String name : names) {
            urls.add(out.resolve(name).toUri().toURL());
        }
        List<String> found = new ArrayList<>();
        try (URLClassLoader loader = new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
                JarFile app = new JarFile(out.resolve("app.jar").toFile())) {
            for (JarEntry entry : app.stream().collect(Collectors.toList())) {
                String name = entry.getName();
                if (!name.endsWith(".class") || name.endsWith("-info.class") || name.startsWith("META-INF/")) {
                    continue;
                }
                name = name.substring(0, name.length() - ".class".length()).replace('/', '.');
                if (hasMain(loader, name)) {
                    found.add(name);
                }
            }
        }
        for (String name : found) {
            if (name.equals(stem) || name.endsWith("." + stem)) {
                return name;
            }
        }
        if (found.size() == 1) {
            return found.get(0);
        }
        throw new Failed(
                found.isEmpty()
                        ? "no class has a `public static void main(String[])`"
                        : "several classes have a `main`: " + String.join(", ", found) + "; keep one");
    }

    private static boolean hasMain(ClassLoader loader, String name) {
        try {
            Method main = Class.forName(name, false, loader).getMethod("main", String[].class);
            return Modifier.isStatic(main.getModifiers()) && main.getReturnType() == void.class;
        } catch (ReflectiveOperationException | LinkageError error) {
            return false;
        }
    }

    /** Rehearses a start and keeps what it loads. Whatever goes wrong here only makes starts slower. */
    private static void archive(Path link, String main, List<String> names) throws Exception {
        Path list = link.resolve("classes.lst");
        Path archive = link.resolve("worker.jsa");
        String classPath = names.stream().map(name -> link.resolve(name).toString()).collect(Collectors.joining(File.pathSeparator));
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        boolean rehearsed = run(REHEARSAL_S_MAX, java, "-XX:DumpLoadedClassList=" + list, "-cp", classPath,
                "dev.dragoman.Launcher", main);
        boolean dumped = rehearsed
                && run(DUMP_S_MAX, java, "-Xshare:dump", "-XX:SharedClassListFile=" + list, "-XX:SharedArchiveFile=" + archive,
                        "-cp", classPath);
        if (!dumped) {
            Files.deleteIfExists(archive);
        }
        Files.deleteIfExists(list);
    }

    private static boolean run(long secondsMax, String... command) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("DRAGOMAN_REHEARSAL", "1");
        builder.redirectErrorStream(true);
        builder.redirectOutput(ProcessBuilder.Redirect.DISCARD);
        Process process = builder.start();
        try (OutputStream none = process.getOutputStream()) {
            none.flush();
        }
        if (!process.waitFor(secondsMax, TimeUnit.SECONDS)) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
            return false;
        }
        return process.exitValue() == 0;
    }
}
