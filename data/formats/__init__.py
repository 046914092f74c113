"""Melodies as files of many kinds: for DAWs, for notation programs, for eyes and ears."""
