"""The pages that a person reads: report.html of a run and the page of a comparison, each one offline HTML file.

A section of a page is one module with a function `section` and one template in templates/sections/; `sections.py` lists
them in order. May import: `runs.schema`, `comparison`, `formatting`, `metrics`. Must not import: `evaluation`, `viewer`, `cli`.
"""
