package dev.dragoman;
import java.nio.file.Path;
public final class DragomanClient { static DragomanClient open(Path p) { return null; } }
