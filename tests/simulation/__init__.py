"""A simulation of the whole supervisor: many sessions, people and troubles in virtual time, all drawn from one seed."""
