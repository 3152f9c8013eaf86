"""The journal's hash chain, judged from outside the database: `python -m ops.journal verify` and `show`.

What a chain proves and what it cannot is told in ops/docs/journal.md.
"""
