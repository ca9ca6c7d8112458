"""How much memory a node's process takes for results of any size."""
