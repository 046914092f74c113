"""Methods that sample melodies under a rule, a file each."""
