"""Writes the prompts of the ticket examples: generators that know nothing of the simulator's rules.

What a ticket is about is drawn first, and its text is put together afterwards; the trusted answers are what was drawn.
"""
