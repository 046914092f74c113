"""What is asked of melodies, and what serves it: requests, critics, actors, their fitting and their files."""
