"""A simulation of the whole supervisor: sessions, people and troubles in virtual time, drawn from one seed."""
