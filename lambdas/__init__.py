"""The zip Lambdas, one folder each."""
