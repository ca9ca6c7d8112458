"""What becomes of the rows of a query that is unloaded: text, and an object in parts."""
