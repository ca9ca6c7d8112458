"""What an audit of thirty rules costs, beside one scan by the database and the same rules in common-sql."""
