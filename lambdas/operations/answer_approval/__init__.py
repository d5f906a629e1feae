"""AnswerApproval: a person's word, given through an authenticated call."""
