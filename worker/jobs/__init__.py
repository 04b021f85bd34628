"""Doorbells. A job carries nothing and decides nothing: the rows say what is due, and a claim on a
row says who may act. A lost, doubled or late job does no harm; the next beat sees the same rows."""
