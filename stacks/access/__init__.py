"""Who may do what: roles, keys, network, and the rules that hold the templates to it."""
