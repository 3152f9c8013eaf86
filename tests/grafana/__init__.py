"""The alerts and the dashboard, with Prometheus's own tool."""
