"""Whoever drives the rules of ownership: lives, slots, claims, and the watch over others."""
