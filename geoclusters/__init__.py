"""What more than one part of geoclusters needs.

Pure code (arrays in, bytes out), and in `aws` the calls that several functions make.
"""

__version__ = "0.1.0"
