"""Commerce inside a room: product pool, cards, click links, mini-apps, orders, payments, ledger and report."""
