"""Arranging: what can be done to a written melody as it is, and which of it a rule asks for."""
