"""Fuzzing the running service over HTTP with what its own OpenAPI document allows, and with what it forbids."""
