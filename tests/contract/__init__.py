"""Does the API do what its OpenAPI document says? schemathesis asks, in every role."""
