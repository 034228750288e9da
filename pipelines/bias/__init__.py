"""Bias reports: whom a model's errors hurt, group by group, against margins stated beforehand."""
