"""Lock-free schema change: DDL that does not keep others from a table, where a connection asks for it."""
