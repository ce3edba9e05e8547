"""What is at which path; each module one resource."""
