"""Under which terms: ODRL as DSP restricts it, evaluated three-valued with reasons.  Pure."""
