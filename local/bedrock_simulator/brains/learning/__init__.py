"""What a simulated model can learn from pairs of questions and answers: values of fields, and phrases of texts."""
