"""What providers tell about our mails: kept raw, put into our words, and what follows from it."""
