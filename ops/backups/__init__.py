"""The command line of backups: make, list, verify, restore, and the schedule without a supervisor."""
