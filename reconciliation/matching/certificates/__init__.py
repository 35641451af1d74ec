"""Certificates: why each decision of the matcher was made, worked out again from its inputs."""
