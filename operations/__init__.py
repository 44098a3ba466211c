"""What who operates a deployment runs by hand, with credentials of their own."""
