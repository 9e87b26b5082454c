"""holdfast: the account layer for trading bots that tells the truth."""
