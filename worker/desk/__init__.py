"""The pages for our own people: they sign in, see, decide."""
