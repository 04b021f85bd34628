"""The book: accounts, contacts, licences with their terms; and how it is imported."""
