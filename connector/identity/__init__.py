"""Who calls and who we are: adapters of `ports.Identity`, keys and signatures."""
