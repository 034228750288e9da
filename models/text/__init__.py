"""Vietnamese text: script, words, classes, diacritics. Pure functions over strings and arrays."""
