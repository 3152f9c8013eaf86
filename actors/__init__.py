"""What a session may do: the pure core, the actor around it, its ports and the adapters behind them."""
