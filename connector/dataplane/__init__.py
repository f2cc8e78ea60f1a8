"""The data plane's own parts: its tokens, its sources, what it receives."""
