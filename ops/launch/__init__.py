"""`ops/start`: brings up everything that the service needs on one machine, and takes it down again."""
