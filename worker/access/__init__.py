"""Who may do what: users, sessions, roles, tokens of other systems, and the audit log."""
