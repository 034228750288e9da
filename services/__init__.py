"""The doors: HTTP, command line and client; the settings; the one place where the house is built."""
