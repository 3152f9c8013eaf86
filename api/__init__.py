"""How people reach a session: the HTTP routes, and the page on which a person links an account."""
