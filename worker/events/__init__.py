"""What providers tell of our mails: verified, translated, kept raw, and acted on."""
