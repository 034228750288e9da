"""Finding what is strange in tables: rows of numbers and categories, judged by the table they stand in."""
