"""What surrounds the router: its demo, its private services and the cluster without containers."""
