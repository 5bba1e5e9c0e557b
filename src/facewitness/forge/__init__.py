"""Forgeries with exact masks, made from real photographs."""
