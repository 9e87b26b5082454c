"""
A ccxt exchange object made truthful in place: ``holdfast.wrap``.

Signed calls take the credential's lane, balances and orders go through the account's owner, and what is raised stays in
ccxt's own tree. Nothing of ccxt is imported before an exchange is wrapped.
"""
