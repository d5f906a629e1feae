"""RankOpportunities: what each found task is worth, lever by lever."""
