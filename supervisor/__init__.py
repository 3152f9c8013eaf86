"""Who is alive: the tree of children, the sessions among them, and the process that holds them together."""
