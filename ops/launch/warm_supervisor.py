"""`python -m supervisor`, started before its surroundings are: it imports first, then reads its environment.

Importing takes longer than starting the servers. The launcher lets both happen at once, and sends the variables
as one line of JSON when it knows them.
"""

import json
import os
import sys

from supervisor.__main__ import main

if __name__ == "__main__":
    line = sys.stdin.readline()
    if line:  # nothing at all: the launcher has given up
        os.environ.update(json.loads(line))
        sys.exit(main())
