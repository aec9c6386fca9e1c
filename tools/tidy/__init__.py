"""What the house style asks and no bought linter checks: sizes, names, mirrored tests, facades, purity, reasons."""
