"""Reading the files that State offices keep: cells, legacy text, numbers, periods, units, layout.

Pure and offline: nothing here knows of files beyond the path that it is given. What is not here: place names
(`models.places`), the calendar (`models.calendar`), where files are kept (`registry.files`).
"""
