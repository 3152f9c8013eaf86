"""The command line that takes over sessions which other programs have made."""
