"""Two or more run variants on the same rows: found, aligned, counted. Numbers only; `report` puts them into words."""
