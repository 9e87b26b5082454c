"""What every simulated venue is made of: ledger, orders, journal, faults, fronts."""
