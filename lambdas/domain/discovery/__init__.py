"""Discovery: which tasks an account's own invocation logs hold, what each costs, and which lever is worth pulling."""
