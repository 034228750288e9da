"""Forecasts of single series: members that compute in numpy over many series at once, their median and its intervals.

Nothing here compiles at run time and nothing loops over series in the recursions: time is the only Python loop, and
series, parameter candidates and forecast origins are lanes of one array. Prophet lives in `additive` alone.
"""
