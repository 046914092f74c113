"""From what a user orders to files: what the command line, the studio and Python call."""
