"""The rules of a session as values and pure functions: no await, no clock, no I/O, no logging."""
