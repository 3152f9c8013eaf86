"""`sessionctl`: one command for everything that an operator does, on this machine and at a running service."""
