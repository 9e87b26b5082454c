"""Tests: units mirror src/, beside contract/, properties/, scenarios/ and clients/."""
