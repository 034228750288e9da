"""Finding what is strange in numbers: points, events, and whether the world or the data is the likely cause."""
