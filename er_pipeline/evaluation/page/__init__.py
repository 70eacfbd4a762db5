"""The page of a run: report.html, which a browser shows without a network."""
