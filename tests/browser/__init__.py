"""The dashboard in a real Chromium, at a real router: what people do there."""
