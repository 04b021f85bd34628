"""What clients answer when they are asked how likely they are to recommend us, and what it says."""
