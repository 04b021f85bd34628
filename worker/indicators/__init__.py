"""What clients are worth, how surely they stay, and what is done for them; nothing here writes."""
