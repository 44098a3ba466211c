"""The report: a container-image Lambda that turns a model into centroids and a map."""
