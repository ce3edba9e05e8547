"""The HTTP API: studies, destinations, deliveries, events, health."""
