"""Spreading work over processes and showing its progress."""
