"""The country's provinces as State files name them: codes with vintages, spellings, regions, a tile map."""
