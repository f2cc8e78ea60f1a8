"""What we offer, to whom: assets, contract definitions, offers and their DCAT form.  Pure."""
