"""What comes out of a job: tables with the cell of every value, and a page that a leader reads in two minutes.

`values` is what a finished job hands over; `writing` makes files of it (CSV, JSON, Parquet, XLSX), `report` makes the
page. Both walk the series once and keep none of them, so a job of a million rows is written in bounded memory.
"""
