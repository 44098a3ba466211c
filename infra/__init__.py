"""The infrastructure: one construct a capability, and a stack that wires them."""
