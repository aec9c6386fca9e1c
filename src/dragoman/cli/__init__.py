"""The command line: `dragoman serve`, `call`, `list`, `check`, `new`, `bench`, `completion`."""
