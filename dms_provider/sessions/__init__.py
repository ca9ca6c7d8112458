"""Database sessions whose work can be stopped on the server, whatever the driver does meanwhile."""
