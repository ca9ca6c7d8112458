"""SQL dialects: how a script is split, where data may stand in a statement, and what a statement does."""
