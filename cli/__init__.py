"""The command line: one file per command and no logic, only options, progress and tables."""
