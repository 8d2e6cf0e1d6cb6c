"""What a person reads after a run: the HTML page, and the one place where numbers become text."""
