"""What clients tell us: signed links, the answer page, the preference page."""
