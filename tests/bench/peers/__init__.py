"""What the platform is measured against, each run as a process of its own."""
