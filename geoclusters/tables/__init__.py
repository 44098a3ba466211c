"""Tables of places: which columns, which rows, and why not the others."""
