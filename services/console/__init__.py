"""The console: pages for the people who review, release and answer for models (`/console`).

Server-rendered HTML without scripts, nothing from outside, Vietnamese first with English one step away. It holds no
rule of its own: who may do what is asked of the registry, which the HTTP interface asks too.
"""
