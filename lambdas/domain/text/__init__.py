"""Rules about one text: schema, repair, refusals, secrets."""
