"""The whole cloud on one machine: emulator, SageMaker stand-in, image runtime."""
