"""Mini-apps a card can open: which exist, and what their W3C MiniApp manifest says."""
