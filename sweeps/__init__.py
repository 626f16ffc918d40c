"""The road of a sweep: options, plan, search, confirmation, record, and what a person sees."""
