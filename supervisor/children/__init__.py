"""The children of the process, a module each: how it is opened, from what, and what it gives to those after it."""
