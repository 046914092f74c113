"""Ways of making melodies follow a rule, a file each."""
