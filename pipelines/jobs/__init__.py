"""How long work is done: planned into chunks, computed elsewhere, committed once, put together at the end.

`engine` tells the story of one job; `driver` lets DBOS drive it; `compute` is the port behind which the computing
happens (in this process for tests, in Ray's for the platform); `work` is what is computed, by type of job. Nothing here
knows HTTP, Ray or a wire's types: the dialects of the synchronous endpoints are handed in.
"""
