"""Reports as pages: words, pictures, the map of safety. Rendering only.

Measures nothing and decides nothing; what a report holds is in `measure/report.py`.
"""
