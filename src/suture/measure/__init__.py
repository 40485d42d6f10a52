"""What a model does, before and after: suites, evaluation, gates, budgets, the report as data.

Knows no method; `report/` draws what is measured here.
"""
