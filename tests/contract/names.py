"""What the runner tells the hooks; apart from these, which import schemathesis."""

KNOWN_VARIABLE = "CONTRACT_KNOWN"
ROLE_VARIABLE = "CONTRACT_ROLE"
ROLES = ["", "viewer", "operator", "admin"]  # each may do what those before it may
