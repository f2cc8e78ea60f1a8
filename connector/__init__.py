"""The connector: a node that negotiates contracts and hands out what they grant.  Start reading in `connector.node`."""
