"""An independent judge of what the engine does. Nothing here imports the package under test."""
