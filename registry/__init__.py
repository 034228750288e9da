"""The memory: what is vouched for, by whom, and with which proof.

Holds the database, the ledger, cards, signatures and the gate. Knows models (the floor below), and
nothing of training, HTTP or Ray.
"""
