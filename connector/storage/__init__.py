"""Where records, letters and the audit chain are kept: adapters of `ports.Store`."""
